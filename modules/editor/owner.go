package editor

import (
	"os"
	"path/filepath"
	"slices"

	"sysc/modules"
	"sysc/modules/lock"
)

// A module is edited in its own directory, and what it means is known where it is
// used: variables have values there, and options of others are declared.

// IsModule reports whether the directory may be that of a module alone: no system
// stands in it, and no lock file.
func (s *Session) IsModule() bool {
	_, err := os.Lstat(filepath.Join(s.dir, lock.FileName))
	return err != nil && !s.hasSystem()
}

// Uses reports whether the definition uses the module in a directory, as far as it
// could be read.
func (s *Session) Uses(dir string) bool {
	s.learn()
	real, err := filepath.EvalSymlinks(dir)
	return err == nil && slices.ContainsFunc(s.known.modules, func(m modules.UsedModule) bool { return m.Dir == real })
}

// NameOf is what ranges call a file of a module that the definition uses.
func (s *Session) NameOf(dir, name string) (string, bool) {
	here, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		return "", false
	}
	there, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(here, there)
	return filepath.ToSlash(filepath.Join(rel, name)), err == nil
}
