package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	leadingZero = regexp.MustCompile(`^[-+]?0[0-9_]`)
	otherBase   = regexp.MustCompile(`^[-+]?0[xXoObB]`)
)

// notDecimal returns why a number that is not written in decimal is refused: YAML reads 010 as 8, while other programs that
// read the same file read it as 10. plain is the way to write it.
func notDecimal(text string) (message, plain string) {
	value := (&node{kind: yaml.ScalarNode, value: text}).scalar()
	switch {
	case otherBase.MatchString(text):
		return fmt.Sprintf("%s is not a decimal number", text), fmt.Sprint(value)
	case leadingZero.MatchString(text):
		digits := strings.TrimLeft(text, "+-0_")
		if digits == "" || digits[0] < '0' || digits[0] > '9' {
			digits = "0" + digits
		}
		if text[0] == '-' {
			digits = "-" + digits
		}
		if v, ok := value.(int); ok && fmt.Sprint(v) != digits {
			return fmt.Sprintf("%s begins with a zero, and YAML reads that as an octal number: %d", text, v), digits
		}
		return fmt.Sprintf("%s begins with a zero, as octal numbers do", text), digits
	}
	return "", ""
}

// numberHint returns a hint for text where a number is expected.
func numberHint(text string, integer bool) string {
	groups := strings.NewReplacer(" ", "", "'", "", "\u00a0", "", "\u202f", "", "’", "").Replace(text)
	share, percent := strings.CutSuffix(groups, "%")
	whole := func(s string) bool { _, err := strconv.ParseInt(s, 10, 64); return err == nil }
	number := func(s string) bool {
		v, err := strconv.ParseFloat(s, 64)
		return err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
	}
	point := strings.Replace(groups, ",", ".", 1)
	switch {
	case percent && !integer && number(share):
		v, _ := strconv.ParseFloat(share, 64)
		return "write it as a share: " + strconv.FormatFloat(v/100, 'g', 6, 64)
	case groups != text && whole(groups):
		return "write it without blanks: " + groups
	case integer && thousands.MatchString(groups):
		return "write it without commas: " + strings.ReplaceAll(groups, ",", "")
	case !integer && point != groups && number(point):
		return "write it with a point: " + point
	}
	return ""
}

var thousands = regexp.MustCompile(`^[-+]?[0-9]{1,3}(,[0-9]{3})+$`)

// wholeHint returns a hint for a fraction or a power of ten where a whole number is expected.
func wholeHint(v float64) string {
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return ""
	}
	return "write it as " + strconv.FormatFloat(v, 'f', -1, 64)
}

// truthHint returns a hint for words such as yes and off, which other programs read as true or false.
func truthHint(text string) string {
	switch low := strings.ToLower(text); {
	case slices.Contains([]string{"yes", "on", "y", "1"}, low):
		return "write true"
	case slices.Contains([]string{"no", "off", "n", "0"}, low):
		return "write false"
	}
	return ""
}
