package localstore

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// A form is one of the inodes that a blob may have. A mode belongs to an inode, so
// contents that are executable in one tree and not in another need two of them;
// others have the one that was needed first. Trees have the plain form only.
type form int

const (
	plain form = iota
	executable
)

// executableSuffix ends the name of the executable form.
const executableSuffix = ".x"

// forms is a set of forms.
type forms uint8

func (f form) set() forms { return 1 << f }

func (s forms) has(f form) bool { return s&f.set() != 0 }

// formOf is the form that a file of e's mode is a link to.
func formOf(e *tree.Entry) form {
	if e.Executable() {
		return executable
	}
	return plain
}

// mode is that of the inode.
func (f form) mode() uint32 {
	if f == executable {
		return tree.ModeExecutable
	}
	return tree.ModeFile
}

// other is the form that f is not.
func (f form) other() form { return 1 - f }

// shardedName is a form's name in the directory of its shard.
func (f form) shardedName(d store.Digest) string {
	if f == executable {
		return shardedName(d) + executableSuffix
	}
	return shardedName(d)
}

// cutForm returns the name that a blob has in its plain form, and the form.
func cutForm(name string) (string, form) {
	if name, ok := strings.CutSuffix(name, executableSuffix); ok {
		return name, executable
	}
	return name, plain
}

// presentBlob reports whether a blob is there in any form. The one that is most
// likely there goes first.
func presentBlob(dir int, d store.Digest, size int64, likely form) bool {
	return present(dir, likely.shardedName(d), size) || present(dir, likely.other().shardedName(d), size)
}

// present reports whether a regular file of that size stands at name. The size
// is no proof of the content; for what a power cut may have left, see recover.
func present(dir int, name string, size int64) bool {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == size
}

// openBlob opens a blob in whichever form it is there.
func (s *Store) openBlob(d store.Digest) (fd int, f form, err error) {
	fd, err = openSharded(s.blobDirs, d, plain)
	if err == store.ErrNotExist {
		f = executable
		fd, err = openSharded(s.blobDirs, d, f)
	}
	return fd, f, err
}

func openSharded(dirs *shards, d store.Digest, f form) (int, error) {
	dir, err := dirs.fd(d, false)
	if err != nil {
		return -1, err
	}
	fd, err := openAt(dir, f.shardedName(d), unix.O_RDONLY, 0)
	if err == unix.ENOENT {
		return -1, store.ErrNotExist
	}
	return fd, err
}

// MakeForms sees to it that the contents of all files of a tree stand where [BlobPath]
// says. They are durable when MakeForms returns, and stay as long as an object has that
// tree.
func (s *Store) MakeForms(ctx context.Context, root store.Digest) error {
	made := false
	seen := map[string]bool{}
	err := tree.Walk(ctx, s, root, func(_ string, e tree.Entry) error {
		if e.Type != tree.File || e.Size == 0 || seen[BlobPath(&e)] {
			return nil
		}
		seen[BlobPath(&e)] = true
		shard, err := s.blobDirs.fd(e.Digest, false)
		if err != nil {
			return fmt.Errorf("blob %s: %w", e.Digest, err)
		}
		if present(shard, formOf(&e).shardedName(e.Digest), e.Size) {
			return nil
		}
		if !made {
			if err := s.markDirty(); err != nil {
				return err
			}
			made = true
		}
		return s.makeForm(ctx, shard, &e)
	})
	if err == nil && made {
		err = s.sync.sync()
	}
	if err != nil {
		return fmt.Errorf("make forms of tree %s: %w", root, err)
	}
	return nil
}

// BlobPath returns where the contents of a file, which is not empty, are below a
// store's directory of blobs, in the form that fits its mode.
func BlobPath(e *tree.Entry) string {
	return shardName(e.Digest[0]) + "/" + formOf(e).shardedName(e.Digest)
}

// BlobsDir is the name of that directory in a store's.
const BlobsDir = "blobs"
