package bytesize

import (
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	for n, want := range map[int64]struct{ brief, exact string }{
		0:             {"0 B", "0 bytes"},
		1023:          {"1023 B", "1023 bytes"},
		1024:          {"1.0 KiB", "1.0 KiB (1024 bytes)"},
		1<<20 - 52:    {"1023.9 KiB", "1023.9 KiB (1048524 bytes)"},
		1<<20 - 51:    {"1.0 MiB", "1.0 MiB (1048525 bytes)"},
		5<<20 + 1<<19: {"5.5 MiB", "5.5 MiB (5767168 bytes)"},
		1<<50 - 1:     {"1.0 PiB", "1.0 PiB (1125899906842623 bytes)"},
		math.MaxInt64: {"8.0 EiB", "8.0 EiB (9223372036854775807 bytes)"},
	} {
		if got := Format(n); got != want.brief {
			t.Errorf("%d: got %s, want %s", n, got, want.brief)
		}
		if got := FormatExact(n); got != want.exact {
			t.Errorf("%d: got %s, want %s", n, got, want.exact)
		}
	}
}

// 0 stands for an error.
var sizes = map[string]int64{
	"1": 1, "007": 7, "1048576": 1 << 20, "1K": 1 << 10, "2M": 2 << 20, "3G": 3 << 30, "4T": 4 << 40, "8388607T": 8388607 << 40,
	"1KiB": 1 << 10, "500MiB": 500 << 20, "3GiB": 3 << 30, "4TiB": 4 << 40, "9223372036854775807": math.MaxInt64,
	"": 0, "K": 0, "KiB": 0, "0": 0, "0K": 0, "-1": 0, "+1": 0, "1k": 0, "1KB": 0, "1B": 0, "1iB": 0, "1Ki": 0, "1KK": 0, "1KiBiB": 0,
	"K1": 0, " 1": 0, "1 ": 0, "1 K": 0, "1.0 KiB": 0, "0x10": 0, "1_000": 0, "1.5G": 0, "1P": 0, "٣": 0,
	"8388608T": 0, "8388608TiB": 0, "9223372036854775808": 0,
}

func TestParse(t *testing.T) {
	for text, want := range sizes {
		got, err := Parse(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}

// FuzzParse compares Parse with arithmetic that has no bounds.
func FuzzParse(f *testing.F) {
	for text := range sizes {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const units = "KMGT"
		got, err := Parse(text)
		digits, unit := strings.TrimSuffix(text, "iB"), uint(0)
		if cut := strings.TrimRight(digits, units); len(cut) == len(digits)-1 {
			unit = 1 + uint(strings.IndexByte(units, digits[len(cut)]))
			digits = cut
		} else if digits != text {
			digits = "" // "1iB"
		}
		want, ok := new(big.Int), digits != "" && strings.Trim(digits, "0123456789") == ""
		if ok {
			want.SetString(digits, 10)
			want.Lsh(want, 10*unit)
			ok = want.Sign() > 0 && want.IsInt64()
		}
		if ok != (err == nil) || ok && want.Int64() != got {
			t.Errorf("%q: got %d, %v; want %s, %t", text, got, err, want, ok)
		}
	})
}
