package modules

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sysc/derivations/builtin"
	"sysc/lang/diag"
	"sysc/systems/distro/debian"
)

// An OwnFileOpener opens a file whose digest is known: the one that the store has, or
// what is fetched into it.
type OwnFileOpener interface {
	KnownFile(ctx context.Context, s builtin.FileSource) (*os.File, error)
}

// open opens the file, which is fetched if it has to be.
func (f *ownFile) open(ctx context.Context, opener OwnFileOpener) (*os.File, error) {
	switch {
	case f.path != "":
		return os.Open(f.path) // what is read is compared with the digest
	case opener == nil:
		return nil, errors.New("nothing can be fetched here")
	}
	return opener.KnownFile(ctx, f.fetch)
}

// read reads what the file says of itself.
func (f *ownFile) read(ctx context.Context, opener OwnFileOpener) (own *debian.OwnFile, err error) {
	file, err := f.open(ctx, opener)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", f.name)
	}
	return debian.ReadOwnFile(ctx, file, info.Size(), f.name, f.digest)
}

// ownFiles reads the package files of a request. The diagnostics are about those that are
// not what they should be; the error is what went wrong with fetching one.
func (u *universes) ownFiles(ctx context.Context, r *rootRequest) ([]*debian.OwnFile, diag.List, error) {
	var files []*debian.OwnFile
	var diags diag.List
	for _, name := range sortedKeys(r.replaced) {
		own := r.replaced[name]
		if own.file == nil {
			continue
		}
		file, ok := u.own[own.file.digest]
		if !ok {
			var err error
			file, err = own.file.read(ctx, u.opener)
			if _, malformed := errors.AsType[*builtin.MalformedError](err); malformed {
				diags = append(diags, diag.Errorf(own.at, "Not a Debian package", "%s.", capital(err.Error()))...)
				continue
			}
			if err != nil {
				return nil, diags, fmt.Errorf("read package %q (%s): %w", name, position(own.at), err)
			}
			u.own[own.file.digest] = file
		}
		if err := file.Check(name, r.arch); err != nil {
			diags = append(diags, diag.Errorf(own.at, "Another package", "%s cannot be installed as %q: %v.", own.file.name, name, err)...)
			continue
		}
		files = append(files, file)
	}
	return files, diags, nil
}
