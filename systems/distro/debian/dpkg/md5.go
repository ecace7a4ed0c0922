package dpkg

import (
	"bytes"
	"context"
	"crypto/md5" // dpkg's database has MD5 in it; nothing here relies on it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
)

// A conffile is a configuration file of a package that dpkg asks about before it
// replaces a changed one.
type conffile struct {
	path string // absolute
	md5  string // 32 hexadecimal digits
}

// readConffiles reads the conffiles member (deb-conffiles(5)) and computes what
// the files have.
func (p *pkg) readConffiles(ctx context.Context, st builtin.Store) error {
	text, err := p.readMember(ctx, st, "conffiles")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		path := strings.TrimRight(line, " \t\r\n")
		// "remove-on-upgrade /path" names a file that is not shipped any more.
		if path == "" || strings.HasPrefix(path, "remove-on-upgrade") {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("conffile %q is no absolute path", path)
		}
		_, e, err := tree.Resolve(ctx, st, p.data.Digest, path[1:])
		if errors.Is(err, store.ErrNotExist) || err == nil && e.Type != tree.File {
			continue
		}
		if err != nil {
			return err
		}
		sum, err := md5Of(ctx, st, e.Digest)
		if err != nil {
			return err
		}
		p.conffiles = append(p.conffiles, conffile{path: path, md5: sum})
	}
	return nil
}

// writeMD5Sums makes the info/NAME.md5sums of a package that comes without, as dpkg
// does: of all files, conffiles among them, which packages' own lists leave out.
func (p *pkg) writeMD5Sums(ctx context.Context, st builtin.Store) (tree.Entry, error) {
	var text bytes.Buffer
	err := p.eachPath(ctx, st, func(path string, e tree.Entry) error {
		if e.Type != tree.File {
			return nil
		}
		sum, err := md5Of(ctx, st, e.Digest)
		fmt.Fprintf(&text, "%s  %s\n", sum, path)
		return err
	})
	if err != nil {
		return tree.Entry{}, err
	}
	return addText(ctx, st, text.Bytes(), 0o644)
}

func md5Of(ctx context.Context, st builtin.Store, d store.Digest) (string, error) {
	f, err := st.OpenBlob(ctx, d)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
