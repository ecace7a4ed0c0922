package systems

import (
	"context"
	"errors"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// Where Debian's kernel packages and initramfs-tools put their files, without
// the version.
const (
	kernelPrefix = "vmlinuz-"
	initrdPrefix = "initrd.img-"
)

// IsInitrd reports whether a file of this name in /boot is an initrd, which is
// made on the machine, in a root, or by sysc, and belongs to no package.
func IsInitrd(name string) bool { return strings.HasPrefix(name, initrdPrefix) }

func isNotExist(err error) bool { return errors.Is(err, store.ErrNotExist) }

// findKernel sets Kernel and Initrd to those of the newest version in the
// root's /boot, or leaves them nil.
func (m *Manifest) findKernel(ctx context.Context, src tree.Source) error {
	m.Kernel, m.Initrd = nil, nil
	boot, err := tree.Find(ctx, src, m.Root.Tree, "boot")
	if isNotExist(err) || err == nil && boot.Type != tree.Dir {
		return nil
	}
	if err != nil {
		return err
	}
	listing, err := src.Tree(ctx, boot.Digest)
	if err != nil {
		return err
	}
	for _, e := range listing.Entries {
		version, ok := strings.CutPrefix(e.Name, kernelPrefix)
		if !ok || e.Type != tree.File || version == "" {
			continue
		}
		if m.Kernel == nil || compareVersions(m.Kernel.Version, version) < 0 {
			m.Kernel = &Kernel{Version: version, BootFile: bootFile(e)}
		}
	}
	if m.Kernel == nil {
		return nil
	}
	for _, e := range listing.Entries {
		if e.Type == tree.File && e.Name == initrdPrefix+m.Kernel.Version {
			f := bootFile(e)
			m.Initrd = &f
		}
	}
	return nil
}

func bootFile(e tree.Entry) BootFile {
	return BootFile{Path: "/boot/" + e.Name, Digest: e.Digest, Size: e.Size}
}

// compareVersions orders kernel versions: runs of digits as numbers, all else as
// bytes, and a "~" before everything, even the end, as in Debian policy 5.6.12.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		da, db := digits(a), digits(b)
		if da != "" && db != "" {
			if c := compareNumbers(da, db); c != 0 {
				return c
			}
			a, b = a[len(da):], b[len(db):]
			continue
		}
		if ra, rb := rank(a), rank(b); ra != rb {
			return ra - rb
		}
		a, b = a[1:], b[1:]
	}
	return 0
}

// rank orders the first byte of what is left of a version. Both are at their end
// only when compareVersions is done.
func rank(s string) int {
	switch {
	case s == "":
		return 0
	case s[0] == '~':
		return -1
	}
	return int(s[0])
}

func digits(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n]
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
