package builtin

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// debMembers returns the parts of a Debian package that matter. As deb(5) has
// it, they come in this order: "debian-binary" with the format's version, any
// number of members beginning with "_", "control.tar" and "data.tar" with the
// suffix of a compression.
func debMembers(r io.ReaderAt, size int64) (control, data *io.SectionReader, err error) {
	members, err := readAr(r, size)
	if err != nil {
		return nil, nil, err
	}
	if len(members) == 0 || members[0].name != "debian-binary" {
		return nil, nil, fmt.Errorf("no Debian package: the first member is not debian-binary")
	}
	version, err := io.ReadAll(io.LimitReader(members[0], 64))
	if err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(string(version), "2.") {
		return nil, nil, fmt.Errorf("a Debian package of format %q", version)
	}
	rest := slices.DeleteFunc(members[1:], func(m arMember) bool { return strings.HasPrefix(m.name, "_") })
	if len(rest) < 2 || !isTar(rest[0].name, "control.tar") || !isTar(rest[1].name, "data.tar") {
		return nil, nil, fmt.Errorf("no Debian package: want control.tar and data.tar behind debian-binary")
	}
	return rest[0].SectionReader, rest[1].SectionReader, nil
}

func isTar(name, want string) bool {
	suffix, ok := strings.CutPrefix(name, want)
	return ok && slices.Contains([]string{"", ".gz", ".xz", ".zst", ".bz2"}, suffix)
}

// maxControl bounds the control file of a package, maxControlTar what is read to find it,
// in bytes.
const (
	maxControl    = 4 << 20
	maxControlTar = 256 << 20
)

// DebControl returns the control file of a Debian package of size bytes. What is wrong
// with the bytes is a [*MalformedError].
func DebControl(ctx context.Context, r io.ReaderAt, size int64) ([]byte, error) {
	text, err := debControl(r, size)
	if err != nil {
		return nil, Malformed(ctx, err)
	}
	return text, nil
}

func debControl(r io.ReaderAt, size int64) (text []byte, err error) {
	control, _, err := debMembers(r, size)
	if err != nil {
		return nil, err
	}
	plain, err := Decompress(control, 1)
	if err != nil {
		return nil, fmt.Errorf("control.tar: %w", err)
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	archive := tar.NewReader(&limitedReader{plain, maxControlTar})
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("control.tar: no control file")
		}
		if err != nil {
			return nil, fmt.Errorf("control.tar: %w", err)
		}
		if header.Typeflag == tar.TypeReg && path.Clean(header.Name) == "control" {
			text, err := io.ReadAll(&limitedReader{archive, maxControl})
			if err != nil {
				return nil, fmt.Errorf("control.tar: control: %w", err)
			}
			return text, nil
		}
	}
}

// readDeb reads a package's two archives into one listing, with the directories
// "control" and "data".
func readDeb(ctx context.Context, s Store, r io.ReaderAt, size int64, workers int) (*listing, error) {
	control, data, err := debMembers(r, size)
	if err != nil {
		return nil, err
	}
	top := newListing()
	for _, part := range []struct {
		name   string
		member *io.SectionReader
	}{{"control", control}, {"data", data}} {
		u := newUntar(s)
		if err := u.readCompressed(ctx, part.member, workers); err != nil {
			return nil, fmt.Errorf("%s.tar: %w", part.name, err)
		}
		u.top.entry.Name = part.name
		top.children[part.name] = u.top
	}
	return top, nil
}

// readCompressed adds a whole archive in any of the compressions.
func (u *untar) readCompressed(ctx context.Context, r *io.SectionReader, workers int) error {
	plain, err := Decompress(r, workers)
	if err != nil {
		return err
	}
	defer plain.Close()
	return u.read(ctx, plain)
}

// packageFile returns the path of the archive to unpack: that of the source, or of the
// only file PACKAGE_*.deb in it, as dpkg-buildpackage(1) names what it makes.
func packageFile(ctx context.Context, s *Step, attrs unpackAttrs) (string, error) {
	if attrs.Package == "" {
		return attrs.Source, nil
	}
	o, rest, err := s.Object(ctx, attrs.Source)
	if err != nil || o.Kind == store.KindFile {
		return attrs.Source, err
	}
	_, dir, err := tree.Resolve(ctx, s.Store, o.Tree, strings.TrimPrefix(rest, "/"))
	if err != nil || dir.Type != tree.Dir {
		return attrs.Source, err
	}
	listing, err := s.Store.Tree(ctx, dir.Digest)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range listing.Entries {
		if strings.HasPrefix(e.Name, attrs.Package+"_") && strings.HasSuffix(e.Name, ".deb") {
			found = append(found, e.Name)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("unpack %s: want one file %s_*.deb in it, there are %d: %s",
			attrs.Source, attrs.Package, len(found), strings.Join(found, ", "))
	}
	return attrs.Source + "/" + found[0], nil
}
