package readlog

import (
	"bytes"
	"crypto/sha256"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"time"
)

// A Root is a directory that reading does not leave, whatever links there are: see
// [os.Root].
type Root struct {
	log  *Log
	root *os.Root
	dir  string
}

// OpenRoot opens a directory.
func (l *Log) OpenRoot(dir string) (*Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		l.note(question{op: opRoot, name: dir}, errAnswer(err), stamp{})
		return nil, err
	}
	return &Root{l, root, dir}, nil
}

// Close closes the directory.
func (r *Root) Close() error { return r.root.Close() }

func (r *Root) question(o op, name string) question { return question{op: o, root: r.dir, name: name} }

// Stat tells what something is, links followed. Of what it returns, the mode and the
// size of files are noted.
func (r *Root) Stat(name string) (fs.FileInfo, error) {
	return r.log.mode(r.question(opMode, name), place{r.root, name}.stat)
}

// Lstat tells what something is.
func (r *Root) Lstat(name string) (fs.FileInfo, error) {
	return r.log.mode(r.question(opLinkMode, name), place{r.root, name}.lstat)
}

// Readlink tells where a link leads.
func (r *Root) Readlink(name string) (string, error) {
	target, err := place{r.root, name}.readlink()
	r.log.note(r.question(opTarget, name), textAnswer(target, err), stamp{})
	return target, err
}

// ReadFile returns the content of a regular file, limit bytes of it at most. The
// error is [ErrNotRegular] for anything else that is there.
func (r *Root) ReadFile(name string, limit int64) ([]byte, error) {
	return r.log.content(r.question(opContent, name), place{r.root, name}, limit)
}

// A Hashed is a file that was read and not kept.
type Hashed struct {
	SHA256 [sha256.Size]byte
	Size   int64 // bytes
	Mode   fs.FileMode
}

// Hash reads a regular file.
func (r *Root) Hash(name string) (Hashed, error) {
	return r.log.hash(r.question(opContent, name), place{r.root, name})
}

// ReadDir returns what is in a directory, sorted by name: the names that end in one
// of the suffixes, or all when there are none. Of each, name and type are noted.
func (r *Root) ReadDir(name string, suffixes ...string) ([]fs.DirEntry, error) {
	q := r.question(opList, name)
	q.arg = suffixArg(suffixes)
	entries, err := place{r.root, name}.list(suffixes)
	if err != nil {
		r.log.note(q, errAnswer(err), stamp{})
		return nil, err
	}
	r.log.note(q, listAnswer(entries), stamp{})
	return entries, nil
}

// WalkDir is [fs.WalkDir] below a directory.
func (r *Root) WalkDir(name string, fn fs.WalkDirFunc) error { return fs.WalkDir(walked{r}, name, fn) }

// walked is what [fs.WalkDir] needs.
type walked struct{ r *Root }

func (w walked) Stat(name string) (fs.FileInfo, error)      { return w.r.Stat(name) }
func (w walked) ReadDir(name string) ([]fs.DirEntry, error) { return w.r.ReadDir(name) }

// Open is for [fs.FS], and opens nothing that would not be noted.
func (w walked) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: path.Join(w.r.dir, name), Err: fs.ErrInvalid}
}

// Stat tells what something is, links followed; see [Root.Stat].
func (l *Log) Stat(path string) (fs.FileInfo, error) {
	return l.mode(question{op: opMode, name: path}, place{nil, path}.stat)
}

// Lstat tells what something is; see [Root.Lstat].
func (l *Log) Lstat(path string) (fs.FileInfo, error) {
	return l.mode(question{op: opLinkMode, name: path}, place{nil, path}.lstat)
}

// ReadFile returns the content of a regular file; see [Root.ReadFile].
func (l *Log) ReadFile(path string, limit int64) ([]byte, error) {
	return l.content(question{op: opContent, name: path}, place{nil, path}, limit)
}

// Hash reads a regular file; see [Root.Hash].
func (l *Log) Hash(path string) (Hashed, error) {
	return l.hash(question{op: opContent, name: path}, place{nil, path})
}

// RealPath returns a path without links.
func (l *Log) RealPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	l.note(question{op: opReal, name: path}, textAnswer(real, err), stamp{})
	return real, err
}

func (l *Log) mode(q question, stat func() (fs.FileInfo, error)) (fs.FileInfo, error) {
	info, err := stat()
	if err != nil {
		l.note(q, errAnswer(err), stamp{})
		return nil, err
	}
	l.note(q, modeAnswer(info), stamp{})
	return info, nil
}

func (l *Log) content(q question, p place, limit int64) ([]byte, error) {
	var data bytes.Buffer
	_, err := l.copy(q, p, limit, &data, func(info fs.FileInfo) {
		data.Grow(int(min(info.Size(), limit)) + bytes.MinRead)
	})
	if err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

func (l *Log) hash(q question, p place) (Hashed, error) {
	if h, ok := l.known(q, p); ok {
		return h, nil
	}
	return l.copy(q, p, math.MaxInt64, io.Discard, func(fs.FileInfo) {})
}

// known returns the hash of a file that is as it was.
func (l *Log) known(q question, p place) (Hashed, bool) {
	if l == nil {
		return Hashed{}, false
	}
	q.arg = limitArg(math.MaxInt64)
	r, ok := l.last[q]
	if !ok {
		return Hashed{}, false
	}
	now := time.Now()
	info, err := p.stat()
	if err != nil || stampOf(info, now) != r.stamp {
		return Hashed{}, false
	}
	h, ok := parseContent(r.answer, info)
	if ok {
		l.note(q, r.answer, r.stamp)
	}
	return h, ok
}

// copy reads a file into w, and notes what was read. begin is called before.
func (l *Log) copy(q question, p place, limit int64, w io.Writer, begin func(fs.FileInfo)) (Hashed, error) {
	q.arg = limitArg(limit)
	now := time.Now()
	f, info, err := p.openFile()
	if err != nil {
		l.note(q, errAnswer(err), stamp{})
		return Hashed{}, err
	}
	defer f.Close()
	begin(info)
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(h, w), io.LimitReader(f, limit))
	if err != nil {
		l.note(q, errAnswer(err), stamp{})
		return Hashed{}, err
	}
	l.note(q, contentAnswer(h, info), stampOf(info, now))
	return Hashed{[sha256.Size]byte(h.Sum(nil)), size, info.Mode()}, nil
}
