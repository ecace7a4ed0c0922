package build

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"sysc/derivations"
	"sysc/internal/filelock"
	"sysc/store"
)

// A LastBuild is what a target consisted of when it was built last. Nothing depends on
// it but explanations, so it may be lost at any time.
type LastBuild struct {
	// At is when that was, or up to an hour before, if it was built several times.
	At time.Time
	// Root is the derivation of the target, which with all that it needs is in Steps.
	Root  derivations.Hash
	Steps map[derivations.Hash]*derivations.Derivation
}

// maxLastBuild bounds what is kept of one build, in bytes before compression. What is
// larger is not remembered.
const maxLastBuild = 64 << 20

// recently is how long what is kept of a build counts as written just now: a command may
// have thousands of targets of which there is nothing to build.
const recently = time.Hour

// notesDir is below a store's LogDir, beside the logs of steps.
const notesDir = "last"

// lastBuildPath returns where the last build of a target is kept: among the logs, and
// named like one, so that it goes when it is old.
func lastBuildPath(logDir, target string) string {
	return filepath.Join(logDir, notesDir, store.DerivationHash(sha256.Sum256([]byte(target))).String()+logSuffix)
}

// A last build is a zstd file of two frames: one that programs skip, with the hash of
// the root, so that this is found at once, and a snapshot of what is behind it.
const lastBuildHeader = "\x50\x2a\x4d\x18\x20\x00\x00\x00" // magic, and the length of a hash

// RememberBuild keeps what a target consists of now that it is built. target says
// which it is among all targets that are built into the store.
func RememberBuild(logDir, target string, g *derivations.Graph, root derivations.Hash) error {
	path := lastBuildPath(logDir, target)
	if known, at, err := rememberedRoot(path); err == nil && known == root {
		if now := time.Now(); now.Sub(at) > recently {
			return os.Chtimes(path, now, now)
		}
		return nil
	}
	data, err := encodeLastBuild(g, root)
	if err == nil && data != nil {
		err = replaceNote(logDir, path, data)
	}
	if err != nil {
		return fmt.Errorf("remember the build of %s: %w", target, err)
	}
	return nil
}

// encodeLastBuild returns nil when there is too much of it.
func encodeLastBuild(g *derivations.Graph, root derivations.Hash) ([]byte, error) {
	data := g.Snapshot([]derivations.Ref{{Derivation: root}})
	if len(data) > maxLastBuild {
		return nil, nil
	}
	// What is alike in a snapshot stands close together, and memory that is touched for the
	// first time costs more than compressing.
	const window = 256 << 10
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(data, append([]byte(lastBuildHeader), root[:]...)), nil
}

// replaceNote replaces a file at or below logDir by one that is written aside, where
// the collector of garbage finds what a process leaves that is killed. It is not
// synced: what a power cut leaves of it says nothing, and nothing depends on it.
func replaceNote(logDir, path string, text []byte) error {
	aside := filepath.Join(logDir, notesDir)
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return err
	}
	f, err := filelock.HoldNew(func() (*os.File, error) { return os.CreateTemp(aside, "*"+runningLogSuffix) })
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.Write(text); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// rememberedRoot reads the hash that a last build begins with, and tells when it was
// written.
func rememberedRoot(path string) (root derivations.Hash, at time.Time, err error) {
	// Without what package os does besides: a command may have thousands of targets.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return root, at, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return root, at, fmt.Errorf("look at %s: %w", path, err)
	}
	begin := make([]byte, len(lastBuildHeader)+len(root))
	if n, err := unix.Pread(fd, begin, 0); err != nil || n < len(begin) {
		return root, at, fmt.Errorf("read %s: %w", path, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	if !bytes.HasPrefix(begin, []byte(lastBuildHeader)) {
		return root, at, fmt.Errorf("%s is no record of a build", path)
	}
	copy(root[:], begin[len(lastBuildHeader):])
	return root, time.Unix(info.Mtim.Unix()), nil
}

// RecallBuild returns what RememberBuild kept, or nil when there is nothing that can
// be read whole.
func RecallBuild(logDir, target string) (*LastBuild, error) {
	path := lastBuildPath(logDir, target)
	root, at, err := rememberedRoot(path)
	if err != nil {
		return nil, nil
	}
	last := &LastBuild{At: at, Root: root}
	r, err := OpenLog(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if last.Steps, err = decodeLastBuild(r); err != nil || last.Steps[last.Root] == nil {
		return nil, nil // cut off, or written by another version
	}
	return last, nil
}

func decodeLastBuild(r io.Reader) (map[derivations.Hash]*derivations.Derivation, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxLastBuild+1))
	if err != nil {
		return nil, err
	}
	g, err := derivations.ReadSnapshot(string(data))
	if err != nil {
		return nil, err
	}
	steps := make(map[derivations.Hash]*derivations.Derivation, g.Len())
	for _, h := range g.Hashes() {
		steps[h], _ = g.Derivation(h)
	}
	return steps, nil
}
