package builtin

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"sysc/store/tree"
)

const (
	// maxArchive bounds what one archive decompresses to, in bytes.
	maxArchive = 64 << 30
	// maxEntries bounds the entries of one archive.
	maxEntries = 2_000_000
)

// xattrPrefix begins the PAX records that hold extended attributes.
const xattrPrefix = "SCHILY.xattr."

// An untar reads a tar archive (ustar, PAX, GNU) into a listing. Contents go to
// the store as they are read; nothing is ever extracted to a directory.
//
// Refused, with their names: absolute paths, "..", anything below something that
// is not a directory (a link in particular), hard links to what the archive does
// not hold, devices, FIFOs and sockets, and archives over the limits.
type untar struct {
	store   Store
	top     *listing
	image   *image // set for a layer of an image, which is put there and not in top
	strip   int    // leading parts of each path to drop
	replace bool   // later entries replace earlier ones, as "tar -x" does
	limits
}

// limits are what is still allowed, and how much there has been.
type limits struct {
	left    int64 // bytes of files
	raw     int64 // bytes of everything
	entries int
}

func newLimits() limits { return limits{left: maxArchive, raw: maxArchive + maxEntries*1024} }

func newUntar(s Store) *untar { return &untar{store: s, top: newListing(), limits: newLimits()} }

// read adds a whole archive. It reads r to its end, so that checksums at the end
// of a compressed stream are verified.
func (u *untar) read(ctx context.Context, r io.Reader) error {
	limited := &limitedReader{r: r, left: u.raw}
	defer func() { u.raw = limited.left }()
	archive := tar.NewReader(limited)
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read tar archive: %w", err)
		}
		if u.entries++; u.entries > maxEntries {
			return fmt.Errorf("read tar archive: more than %d entries", maxEntries)
		}
		if err := u.entry(ctx, header, archive); err != nil {
			return fmt.Errorf("read tar archive: %w", err)
		}
	}
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return fmt.Errorf("read tar archive: %w", err)
	}
	return nil
}

func (u *untar) entry(ctx context.Context, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	parts, err := splitPath(h.Name)
	if err != nil {
		return err
	}
	if u.strip > 0 && len(parts) <= u.strip {
		return nil
	}
	parts = parts[u.strip:]
	if u.image != nil {
		if done, err := u.image.whiteout(h, parts); done || err != nil {
			return err
		}
	}
	e, err := u.metadata(h)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Type = tree.Dir
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > tree.MaxTarget || strings.IndexByte(h.Linkname, 0) >= 0 {
			return fmt.Errorf("%q: link target of %d bytes", h.Name, len(h.Linkname))
		}
		e.Type, e.Mode, e.Target = tree.Link, 0o777, h.Linkname
	case tar.TypeLink:
		if e, err = u.hardLink(h); err != nil {
			return err
		}
	case tar.TypeReg, tar.TypeGNUSparse:
		if u.left -= h.Size; u.left < 0 {
			return fmt.Errorf("%q: the archive's files have more than %d bytes", h.Name, int64(maxArchive))
		}
		e.Type = tree.File
		if e.Digest, e.Size, err = u.store.AddFile(ctx, content, e.Executable()); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	default:
		return fmt.Errorf("%q: %s cannot be in a package", h.Name, typeName(h.Typeflag))
	}
	if u.image != nil {
		return u.image.put(parts, e)
	}
	return u.top.put(parts, e, u.replace)
}

// metadata returns owner, mode and extended attributes.
func (u *untar) metadata(h *tar.Header) (tree.Entry, error) {
	const maxID = 1<<32 - 2 // (uid_t)-1 means "no user"
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) > maxID || int64(h.Gid) > maxID {
		return tree.Entry{}, fmt.Errorf("%q: owner %d:%d", h.Name, h.Uid, h.Gid)
	}
	e := tree.Entry{Mode: uint32(h.Mode) & 0o7777, UID: uint32(h.Uid), GID: uint32(h.Gid)}
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, xattrPrefix)
		if ok && (name == "security.capability" || strings.HasPrefix(name, "user.")) {
			e.Xattrs = append(e.Xattrs, tree.Xattr{Name: name, Value: value})
		}
	}
	slices.SortFunc(e.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return e, nil
}

// hardLink returns the entry that another name of a file has: the same.
func (u *untar) hardLink(h *tar.Header) (tree.Entry, error) {
	parts, err := splitPath(h.Linkname)
	if err != nil {
		return tree.Entry{}, err
	}
	if len(parts) > u.strip {
		find := u.top.find
		if u.image != nil {
			find = u.image.find
		}
		if target, ok := find(parts[u.strip:]); ok && target.entry.Type != tree.Dir {
			return target.entry, nil
		}
	}
	return tree.Entry{}, fmt.Errorf("%q: hard link to %q, which is no file of the archive", h.Name, h.Linkname)
}

func typeName(flag byte) string {
	switch flag {
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a FIFO"
	}
	return fmt.Sprintf("an entry of type %q", flag)
}
