// Package bytesize writes numbers of bytes for people, and reads what people write
// as one. Units are powers of 1024.
package bytesize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Format writes a number of bytes briefly: "999 B", "2.1 MiB".
func Format(n int64) string {
	const unit, units = 1024, "KMGTPE"
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	// What would be rounded to 1024.0 is 1.0 of the next unit.
	const most = unit - 0.05
	value, i := float64(n)/unit, 0
	for value >= most && i < len(units)-1 {
		value /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[i])
}

// FormatExact writes a number of bytes so that no two look the same: "999 bytes",
// "2.1 MiB (2202010 bytes)".
func FormatExact(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%s (%d bytes)", Format(n), n)
}

// Parse reads digits and perhaps K, M, G or T, or KiB and so on: "500M". Zero, and
// what needs more than 63 bits, is no size. Other ways to write one are refused:
// KB may be meant as 1000 bytes.
func Parse(text string) (bytes int64, err error) {
	digits := strings.TrimRight(text, "KMGTiB")
	shift, ok := 0, true
	switch text[len(digits):] {
	case "":
	case "K", "KiB":
		shift = 10
	case "M", "MiB":
		shift = 20
	case "G", "GiB":
		shift = 30
	case "T", "TiB":
		shift = 40
	default:
		ok = false
	}
	// ParseInt takes a sign.
	ok = ok && strings.TrimLeft(digits, "0123456789") == ""
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is no size: want a number with K, M, G or T, such as 500M", text)
	}
	return n << shift, nil
}
