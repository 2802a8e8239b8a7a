package runpage

import "tlpipe/pipeline/sanitize"

// classCell is a class as predictions.csv names it.
func classCell(class string) string { return sanitize.Cell(class) }
