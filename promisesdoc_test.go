package sysc_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Two pages promise tests, each of which has to be there.
func TestPromisedTestsExist(t *testing.T) {
	code := testCode(t)
	test := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	story := regexp.MustCompile("`([a-z_]+\\.txtar)`")
	for _, p := range []struct {
		page  string
		least int // that are named
	}{{"docs/sandbox.md", 50}, {"docs/store.md", 90}} {
		text, err := os.ReadFile(p.page)
		if err != nil {
			t.Fatal(err)
		}
		named := test.FindAllStringSubmatch(string(text), -1)
		if len(named) < p.least {
			t.Errorf("%s: only %d tests are named", p.page, len(named))
		}
		for _, match := range named {
			if !strings.Contains(code, "func "+match[1]+"(") {
				t.Errorf("%s: there is no %s", p.page, match[1])
			}
		}
		for _, match := range story.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat("testdata/script/" + match[1]); err != nil {
				t.Errorf("%s: %v", p.page, err)
			}
		}
	}
}

// testCode returns all files of tests.
func testCode(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	for _, tree := range []string{"cmd", "derivations", "internal", "store"} {
		err := filepath.WalkDir(tree, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return code.String()
}
