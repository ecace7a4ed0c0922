package debian

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func FuzzContents(f *testing.F) {
	f.Add([]byte("bin/ls  utils/coreutils\nusr/a b\tx/c,x/a\n"), "ls")
	f.Add([]byte("FILE LOCATION\n\n   \n/ ,\n./x /,/\n"), "*")
	f.Add([]byte("usr/lib/x a/b"), "/lib/?")
	f.Fuzz(func(t *testing.T, list []byte, pattern string) {
		p, err := newFilePattern(pattern)
		if err != nil {
			return
		}
		p.run(bytes.NewReader(list), func(file FoundFile) error {
			if !strings.HasPrefix(file.Path, "/") || len(file.Packages) == 0 || !slices.IsSorted(file.Packages) {
				t.Errorf("%q: got %+v", list, file)
			}
			return nil
		})
	})
}
