package sysc_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/sandbox.md promises tests, each of which has to be there.
func TestSandboxTestsExist(t *testing.T) {
	page, err := os.ReadFile("docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, tree := range []string{"derivations", "internal", "store"} {
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
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 50 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, match := range named {
		if !strings.Contains(code.String(), "func "+match[1]+"(") {
			t.Errorf("there is no %s", match[1])
		}
	}
}
