// Package std holds the standard modules, written in the definition language and
// part of the program: options such as services.openssh, made of the core's.
//
// Each file is a module of its own. Which options it declares is in an index, so
// that a module is read only when something names one of its options.
package std

import (
	"embed"
	"maps"
	"slices"
	"strings"
)

//go:embed *.sysc.hcl
var files embed.FS

// extension is how the names of the files end.
const extension = ".sysc.hcl"

// Prefix stands before the names of standard modules where modules are named.
const Prefix = "std/"

// Names returns the names of the modules, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("std.Names: " + err.Error()) // what is embedded is there
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), extension))
	}
	return names
}

// File returns the name and the text of a module's file, as messages call it.
func File(name string) (file string, text []byte) {
	text, err := files.ReadFile(name + extension)
	if err != nil {
		panic("std.File: " + err.Error()) // not one of Names
	}
	return Prefix + name + extension, text
}

// Paths returns the paths of the options and groups that modules declare at the
// top of their files, sorted.
func Paths() []string { return slices.Sorted(maps.Keys(index)) }

// Declarer returns the module that declares the option or group of a path.
func Declarer(path string) (name string, ok bool) {
	name, ok = index[path]
	return name, ok
}
