package dpkg

import (
	"fmt"
	"slices"
	"strings"
)

// triggerFiles makes the files of /var/lib/dpkg/triggers from what packages are
// interested in (deb-triggers(5)): File for paths, one per other name; beside
// them the empty ones that dpkg wants to find. Names map to contents.
func triggerFiles(packages []*pkg) (map[string]string, error) {
	lines := map[string][]string{"File": nil, "Unincorp": nil, "Lock": nil}
	for _, p := range packages {
		for _, line := range p.triggers {
			line, _, _ = strings.Cut(line, "#")
			words := strings.Fields(line)
			if len(words) == 0 || !strings.HasPrefix(words[0], "interest") {
				continue
			}
			if len(words) != 2 {
				return nil, fmt.Errorf("package %q: triggers: %q is not \"directive name\"", p.name, line)
			}
			who := p.infoName()
			if words[0] == "interest-noawait" {
				who += "/noawait"
			}
			name := words[1]
			switch {
			case strings.HasPrefix(name, "/"):
				lines["File"] = append(lines["File"], name+" "+who)
			case !validTrigger(name):
				return nil, fmt.Errorf("package %q: triggers: %q is no trigger's name", p.name, name)
			default:
				lines[name] = append(lines[name], who)
			}
		}
	}
	files := make(map[string]string, len(lines))
	for name, list := range lines {
		slices.Sort(list)
		if len(list) > 0 {
			files[name] = strings.Join(slices.Compact(list), "\n") + "\n"
		} else {
			files[name] = ""
		}
	}
	return files, nil
}

// validTrigger reports whether a name can be a file of its own. The upper-case
// names are dpkg's.
func validTrigger(name string) bool {
	switch name {
	case "", ".", "..", "File", "Unincorp", "Lock":
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '/' {
			return false
		}
	}
	return len(name) <= 200
}
