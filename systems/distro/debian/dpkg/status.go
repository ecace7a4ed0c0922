package dpkg

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// statusFile makes dpkg's status file: each control stanza with a status after
// its name, and its conffiles with their MD5. With the files in place already
// and no "*.dpkg-new" beside them, dpkg takes conffiles as done.
func statusFile(packages []*pkg) []byte {
	sorted := slices.Clone(packages)
	slices.SortFunc(sorted, func(a, b *pkg) int { return strings.Compare(a.label, b.label) })
	var text bytes.Buffer
	for _, p := range sorted {
		first := true
		for line := range bytes.Lines(p.control) {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			text.Write(bytes.TrimRight(line, "\n"))
			text.WriteByte('\n')
			if isPackageField(line) && first {
				text.WriteString("Status: install ok unpacked\n")
				first = false
			}
		}
		if len(p.conffiles) > 0 {
			text.WriteString("Conffiles:\n")
			for _, c := range p.conffiles {
				fmt.Fprintf(&text, " %s %s\n", c.path, c.md5)
			}
		}
		text.WriteByte('\n')
	}
	return text.Bytes()
}

func isPackageField(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	return ok && strings.EqualFold(string(name), "Package")
}
