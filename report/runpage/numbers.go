package runpage

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// percent writes a share with so many digits that 1 in a thousand is seen.
func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

func comma(n int) string { return humanize.Comma(int64(n)) }

// sure writes a probability so that what is nearly certain does not look certain.
func sure(v float64) string {
	if v < 1 && v > 0.9995 {
		return "> 99.9 %"
	}
	return percent(v)
}
