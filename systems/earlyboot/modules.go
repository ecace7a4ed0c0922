package earlyboot

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ModulesDir is where an initrd has its kernel modules, and ModulesFile the file
// there that says what they are for; [ParseModules] has its form.
const (
	ModulesDir  = "/modules"
	ModulesFile = ModulesDir + "/index"
)

// A Module is a kernel module of an initrd.
type Module struct {
	Name string // as modprobe(8) has it, with "_" in place of "-"
	File string // in ModulesDir
	// Needs are the names of the modules that have to be loaded before, first to
	// last.
	Needs []string
	// Aliases are patterns of the hardware that it is for, as the kernel names
	// devices in files called modalias. A module without is loaded when it is asked
	// for by name.
	Aliases []string
}

// FormatModules writes an index of modules: for each a line
//
//	module NAME FILE NEED…
//
// and, for each of its aliases, a line "alias PATTERN".
func FormatModules(list []Module) []byte {
	var b []byte
	for _, m := range list {
		b = fmt.Appendln(b, strings.Join(append([]string{"module", m.Name, m.File}, m.Needs...), " "))
		for _, a := range m.Aliases {
			b = fmt.Appendln(b, "alias", a)
		}
	}
	return b
}

// ParseModules reads what [FormatModules] wrote.
func ParseModules(text []byte) ([]Module, error) {
	var list []Module
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "module":
			list = append(list, Module{Name: words[1], File: words[2], Needs: words[3:]})
		case len(words) == 2 && words[0] == "alias" && len(list) > 0:
			last := &list[len(list)-1]
			last.Aliases = append(last.Aliases, words[1])
		default:
			return nil, fmt.Errorf("read modules: line %q", strings.TrimSpace(line))
		}
	}
	return list, nil
}

// A loader loads the modules that a machine needs, each once.
type loader struct {
	modules map[string]*Module
	ordered []*Module
	tried   map[string]bool
	// insert loads a file; say is told what does not work.
	insert func(file string) error
	say    func(format string, args ...any)
}

func newLoader(list []Module, insert func(file string) error, say func(string, ...any)) *loader {
	l := &loader{modules: map[string]*Module{}, tried: map[string]bool{}, insert: insert, say: say}
	for i := range list {
		l.modules[list[i].Name] = &list[i]
		l.ordered = append(l.ordered, &list[i])
	}
	return l
}

// load loads a module and what it needs. One that is not there is built into the
// kernel, or is missed when it is used.
func (l *loader) load(name string) {
	m, ok := l.modules[name]
	if !ok || l.tried[name] {
		return
	}
	l.tried[name] = true
	for _, n := range m.Needs {
		l.load(n)
	}
	if err := l.insert(m.File); err != nil {
		l.say("load module %s: %v", name, err)
	}
}

// loadFor loads the modules for devices by their aliases.
func (l *loader) loadFor(devices []string) {
	for _, m := range l.ordered {
		if !l.tried[m.Name] && m.fits(devices) {
			l.load(m.Name)
		}
	}
}

func (m *Module) fits(devices []string) bool {
	for _, pattern := range m.Aliases {
		for _, d := range devices {
			if ok, err := path.Match(pattern, d); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// deviceAliases returns the aliases of all devices that the kernel knows of,
// sorted. sys is "/sys".
func deviceAliases(sys string) []string {
	files, err := filepath.Glob(sys + "/bus/*/devices/*/modalias")
	if err != nil {
		return nil // the pattern is right
	}
	var list []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil {
			list = append(list, strings.TrimSpace(string(text)))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// openLoader reads the initrd's index.
func openLoader() (*loader, error) {
	text, err := os.ReadFile(ModulesFile)
	if err != nil {
		return nil, err
	}
	list, err := ParseModules(text)
	if err != nil {
		return nil, err
	}
	return newLoader(list, insertModule, notice), nil
}

func insertModule(file string) error {
	f, err := os.Open(ModulesDir + "/" + file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
