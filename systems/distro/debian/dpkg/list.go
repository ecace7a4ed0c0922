package dpkg

import (
	"bytes"
	"context"
	"fmt"

	"sysc/derivations/builtin"
	"sysc/store/tree"
)

// eachPath calls fn with every path of the package, without a leading slash, in
// the order in which dpkg-deb --build puts files into an archive: parents first,
// names in the order of their bytes, all symbolic links after everything else.
func (p *pkg) eachPath(ctx context.Context, st builtin.Store, fn func(path string, e tree.Entry) error) error {
	type link struct {
		path  string
		entry tree.Entry
	}
	var links []link
	err := tree.Walk(ctx, st, p.data.Digest, func(path string, e tree.Entry) error {
		if path == "" {
			return nil
		}
		if e.Type == tree.Link {
			links = append(links, link{path, e})
			return nil
		}
		return fn(path, e)
	})
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := fn(l.path, l.entry); err != nil {
			return err
		}
	}
	return nil
}

// writeList makes info/NAME.list: the absolute paths of everything in the
// package, "/." for the top.
func (p *pkg) writeList(ctx context.Context, st builtin.Store) (tree.Entry, error) {
	return p.writeListWithout(ctx, st, nil)
}

func (p *pkg) writeListWithout(ctx context.Context, st builtin.Store, dropped map[string]bool) (tree.Entry, error) {
	var text bytes.Buffer
	text.WriteString("/.\n")
	err := p.eachPath(ctx, st, func(path string, e tree.Entry) error {
		if bytes.IndexByte([]byte(path), '\n') >= 0 {
			return fmt.Errorf("path %q has a line end in it", path)
		}
		if !dropped[path] {
			text.WriteByte('/')
			text.WriteString(path)
			text.WriteByte('\n')
		}
		return nil
	})
	if err != nil {
		return tree.Entry{}, err
	}
	return addText(ctx, st, text.Bytes(), 0o644)
}
