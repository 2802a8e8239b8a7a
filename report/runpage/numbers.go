package runpage

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// percent writes a share with so many digits that 1 in a thousand is seen.
func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

func comma(n int) string { return humanize.Comma(int64(n)) }
