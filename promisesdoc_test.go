package sysc_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Some pages promise tests, each of which has to be there. `TestX/row` is a row of a
// table, whose name stands in a test's text; `lang/x.txtar` is one of lang's
// definitions that are wrong.
func TestPromisedTestsExist(t *testing.T) {
	code := testCode(t)
	test := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)(?:/([^`]+))?`")
	story := regexp.MustCompile("`((?:lang/|modules/)?[a-z_0-9]+\\.txtar)`")
	for _, p := range []struct {
		page  string
		least int // that are named
	}{{"docs/sandbox.md", 50}, {"docs/store.md", 90}, {"docs/language-rules.md", 120}} {
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
			if match[2] != "" && !strings.Contains(code, fmt.Sprintf("%q", match[2])) {
				t.Errorf("%s: %s has no row %q", p.page, match[1], match[2])
			}
		}
		for _, match := range story.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(storyFile(match[1])); err != nil {
				t.Errorf("%s: %v", p.page, err)
			}
		}
	}
}

// storyFile is where a page's archive is.
func storyFile(name string) string {
	if tree, file, inTree := strings.Cut(name, "/"); inTree {
		return tree + "/testdata/diagnostics/" + file
	}
	return "testdata/script/" + name
}

// testCode returns all files of tests.
func testCode(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	err := filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
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
	return code.String()
}
