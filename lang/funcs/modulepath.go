package funcs

import (
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// modulePath returns where the file, or else the directory, of a file:// address
// is. It must be below the module's directory, whatever links lead to it: what a
// definition gives depends on nothing else of this machine.
func (m Module) modulePath(a eval.Arg, u *url.URL, isDir bool) (file string, info fs.FileInfo, diags diag.List) {
	dir, name, ok := m.below(u)
	if !ok {
		return "", nil, outside(a, u)
	}
	// The root refuses links that lead out of it.
	root, err := m.Reads.OpenRoot(dir)
	if err != nil {
		return "", nil, m.fileError(a, name, err)
	}
	defer root.Close()
	info, err = root.Stat(name)
	switch {
	case err != nil:
	case isDir && !info.IsDir():
		err = errors.New("it is not a directory")
	case !isDir && !info.Mode().IsRegular():
		err = errors.New("it is not a regular file")
	default:
		file, err = m.Reads.RealPath(filepath.Join(dir, name))
	}
	if err != nil {
		return "", nil, m.fileError(a, name, err)
	}
	if _, ok := local(dir, file); !ok {
		return "", nil, outside(a, u) // it changed meanwhile
	}
	return file, info, nil
}

// below returns the module's directory, links resolved, and the name in it that
// an address stands for.
func (m Module) below(u *url.URL) (dir, name string, ok bool) {
	if m.Dir == "" {
		return "", "", false
	}
	given, err := filepath.Abs(m.Dir)
	if err != nil {
		return "", "", false
	}
	if dir, err = m.Reads.RealPath(given); err != nil {
		return "", "", false
	}
	if u.Host == "." {
		name = strings.TrimLeft(u.Path, "/")
		return dir, name, filepath.IsLocal(name)
	}
	if name, ok = local(given, u.Path); !ok {
		name, ok = local(dir, u.Path)
	}
	return dir, name, ok
}

// local returns what a path is below a directory, if it is.
func local(dir, file string) (name string, ok bool) {
	name, err := filepath.Rel(dir, file)
	return name, err == nil && filepath.IsLocal(name)
}

func outside(a eval.Arg, u *url.URL) diag.List {
	return diag.Errorf(a.Range, "File outside of the module",
		"%q names no file below the module's directory, and a definition reads no others. Put the file beside the definition and write file://./NAME.", u)
}
