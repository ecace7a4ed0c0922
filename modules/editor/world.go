package editor

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"sysc/modules"
)

// own is the session's own directory as a module.
func (s *Session) own() modules.UsedModule {
	if len(s.known.modules) > 0 {
		return s.known.modules[0]
	}
	dir, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		dir = s.dir // which is not there, so that nothing leads to it
	}
	return modules.UsedModule{Dir: dir}
}

// world are the modules of the definition, the session's own first.
func (s *Session) world() []modules.UsedModule {
	return append([]modules.UsedModule{s.own()}, s.known.modules[min(1, len(s.known.modules)):]...)
}

// home returns the directory of the module that a file belongs to.
func (s *Session) home(file string) string {
	if filepath.Base(file) != file {
		for _, m := range s.world() {
			if m.Name == path.Dir(file) {
				return m.Dir
			}
		}
	}
	return s.own().Dir
}

// usedBy returns the directory that a module block leads to which stands in the module
// at home, "" when that is not known.
func (s *Session) usedBy(home, name string) string {
	for _, m := range s.world() {
		if m.Dir == home {
			return m.Uses[name]
		}
	}
	return ""
}

// File returns where a file of the definition is. ok is false for one that is none of
// its modules', as those of standard modules.
func (s *Session) File(name string) (file string, ok bool) {
	if filepath.Base(name) == name {
		return filepath.Join(s.dir, name), true
	}
	for _, m := range s.known.modules {
		switch {
		case m.Name != path.Dir(name):
		case m.Fetched:
			return filepath.Join(m.Dir, path.Base(name)), true
		default: // as the editor knows it, links and all
			return filepath.Join(s.dir, filepath.FromSlash(name)), true
		}
	}
	return "", false
}

// ownFiles returns the names of all files in the session's directory, sorted.
func (s *Session) ownFiles() []string { return s.filesOf(modules.UsedModule{Dir: s.dir}) }

// filesOf returns the names of all files of a module, sorted.
func (s *Session) filesOf(m modules.UsedModule) []string {
	names := map[string]bool{}
	entries, _ := os.ReadDir(m.Dir) // a directory that cannot be read has the open texts
	for _, e := range entries {
		if isDefinition(e.Name()) && !e.IsDir() {
			names[path.Join(m.Name, e.Name())] = true
		}
	}
	for name := range s.texts {
		if path.Dir(name) == path.Join(".", m.Name) && isDefinition(path.Base(name)) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
