package syntax

import (
	"io/fs"
	"os"
	"strings"

	"sysc/lang/diag"
)

// LoadTests reads the files for tests of a directory, which [Load] leaves out. The
// module is never nil; with errors it holds what could be read.
func LoadTests(dir string) (*Module, diag.List) {
	files := map[string][]byte{}
	diags := readTests(dir, files)
	m, parseDiags := Parse(dir, files)
	return m, append(diags, parseDiags...)
}

func readTests(dir string, files map[string][]byte) diag.List {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return diag.Errorf(diag.Range{}, "Cannot read the tests", "The directory %q cannot be opened: %v.", dir, err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return diag.Errorf(diag.Range{}, "Cannot read the tests", "The directory %q cannot be read: %v.", dir, err)
	}
	var diags diag.List
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || e.IsDir() || !strings.HasSuffix(name, TestExtension) {
			continue
		}
		src, err := readFile(root, name)
		if err != nil {
			diags = append(diags, diag.Errorf(diag.Range{}, "Cannot read the tests", "The file %q cannot be read: %v.", name, err)...)
			continue
		}
		files[name] = src
	}
	return diags
}
