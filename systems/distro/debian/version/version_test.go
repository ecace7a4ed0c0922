package version

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sorted are versions in ascending order; equal ones stand in one line.
var sorted = [][]string{
	{"0~~", "0~~-0"},
	{"0~", "00~"},
	{"0", "00", "0-0", "0:0", "000:0-00"},
	{"0a"},
	{"0b"},
	{"0+"},
	{"0.0~rc1"},
	{"0.0"},
	{"0.1~beta1~svn1245"},
	{"0.1~beta1"},
	{"0.1", "0.1-0", "0.01"},
	{"0.1-0.1"},
	{"0.1-1~bpo12+1"},
	{"0.1-1"},
	{"0.1-1+b1"},
	{"0.1-1+deb13u1"},
	{"0.1-1.1"},
	{"0.2"},
	{"0.10"},
	{"0.10-a-1"},
	{"0.10-a-2"},
	{"1.0~rc1-1"},
	{"1.0-1"},
	{"1.0a"},
	{"1.0+git2024"},
	{"1.0.0"},
	{"12345678901234567890123456789"},
	{"12345678901234567890123456790"},
	{"1:0"},
	{"2:1.0~"},
	{"2:1.0"},
}

func TestCompareOrder(t *testing.T) {
	for i, as := range sorted {
		for j, bs := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			for _, a := range as {
				for _, b := range bs {
					if got := Compare(a, b); got != want {
						t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
					}
				}
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, v := range []string{"1", "1.0-1", "1:1.0:2-3~4+b1", "20240101-1", "0-0"} {
		if err := Check(v); err != nil {
			t.Errorf("Check(%q) = %v", v, err)
		}
	}
	for _, v := range []string{"", "a", "1 2", ":1", "x:1", "-1:1", "1-", "1:", "1_0", "1-2:3-", "-1", "1\n", "9999999999:1", strings.Repeat("1", MaxLen+1)} {
		if err := Check(v); err == nil {
			t.Errorf("Check(%q) = nil, want an error", v)
		}
	}
}

func genVersion() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`([0-9]{1,2}:)?[0-9][0-9a-cZ.+~]{0,8}(-[0-9a-cZ.+~]{1,6})?`),
		rapid.StringMatching(`[0-9][01a~.-]{0,6}[01a~]`),
	).Filter(func(v string) bool { return Check(v) == nil })
}

func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genVersion().Draw(t, "a"), genVersion().Draw(t, "b"), genVersion().Draw(t, "c")
		if Compare(a, b) != -Compare(b, a) {
			t.Fatalf("Compare(%q, %q) is not antisymmetric", a, b)
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("not transitive: %q, %q, %q", a, b, c)
		}
	})
}

// TestCompareAgainstDpkg asks dpkg about random pairs.
func TestCompareAgainstDpkg(t *testing.T) {
	dpkg := startDpkg(t)
	rapid.Check(t, func(t *rapid.T) {
		a := genVersion().Draw(t, "a")
		b := genVersion().Draw(t, "b")
		if rapid.Bool().Draw(t, "near") {
			b = a + rapid.StringMatching(`[~+.0a]{0,3}[0-9a]`).Draw(t, "more")
		}
		if got, want := Compare(a, b), dpkg.compare(t, a, b); got != want {
			t.Fatalf("Compare(%q, %q) = %d, dpkg says %d", a, b, got, want)
		}
	})
}

// A dpkg is a shell that asks dpkg, so that a question costs one process.
type dpkg struct {
	in  *bufio.Writer
	out *bufio.Reader
}

func startDpkg(t *testing.T) *dpkg {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not installed: apt-get install dpkg")
	}
	const loop = `while read -r a b; do
		if dpkg --compare-versions "$a" lt "$b"; then echo -1
		elif dpkg --compare-versions "$a" eq "$b"; then echo 0
		else echo 1; fi
	done`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", loop)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &dpkg{bufio.NewWriter(in), bufio.NewReader(out)}
}

func (d *dpkg) compare(t *rapid.T, a, b string) int {
	fmt.Fprintf(d.in, "%s %s\n", a, b)
	if err := d.in.Flush(); err != nil {
		t.Fatal(err)
	}
	var answer int
	if _, err := fmt.Fscanln(d.out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func FuzzCompare(f *testing.F) {
	f.Add("1.0-1", "1:0~")
	f.Add("", "~")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Compare(a, b) != -Compare(b, a) {
			t.Errorf("Compare(%q, %q) is not antisymmetric", a, b)
		}
	})
}
