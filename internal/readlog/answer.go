package readlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNotRegular says that something is no regular file.
var ErrNotRegular = errors.New("not a regular file")

// A place is a name below a root, or a path.
type place struct {
	root *os.Root // nil for none
	name string
}

func (p place) stat() (fs.FileInfo, error) {
	if p.root == nil {
		return os.Stat(p.name)
	}
	return p.root.Stat(p.name)
}

func (p place) lstat() (fs.FileInfo, error) {
	if p.root == nil {
		return os.Lstat(p.name)
	}
	return p.root.Lstat(p.name)
}

func (p place) readlink() (string, error) {
	if p.root == nil {
		return os.Readlink(p.name)
	}
	return p.root.Readlink(p.name)
}

// open opens something that should be a file, or a directory with O_DIRECTORY. It does
// not wait for who writes to a pipe.
func (p place) open(flag int) (*os.File, error) {
	flag |= os.O_RDONLY | syscall.O_NONBLOCK
	if p.root == nil {
		return os.OpenFile(p.name, flag, 0)
	}
	return p.root.OpenFile(p.name, flag, 0)
}

// openFile opens a regular file. A device or pipe is not opened: that alone may do
// something.
func (p place) openFile() (*os.File, fs.FileInfo, error) {
	info, err := p.stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, ErrNotRegular
	}
	f, err := p.open(0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// list returns what is in a directory, sorted by name: names with one of the
// suffixes, or all when there are none.
func (p place) list(suffixes []string) ([]fs.DirEntry, error) {
	d, err := p.open(syscall.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	if len(suffixes) > 0 {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
			return !slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(e.Name(), s) })
		})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Answers begin with a byte that tells errors from others.
const (
	answered = "="
	failed   = "!"
)

func errAnswer(err error) string { return failed + err.Error() }

// contentAnswer is about the bytes that went through h, and the file's mode.
func contentAnswer(h hash.Hash, info fs.FileInfo) string {
	return answered + string(h.Sum(binary.LittleEndian.AppendUint32(nil, uint32(info.Mode()))))
}

// parseContent reads what contentAnswer gave for all of a file that is as it was.
func parseContent(answer string, info fs.FileInfo) (Hashed, bool) {
	const mode = len(answered)
	const sum = mode + 4
	if len(answer) != sum+sha256.Size || answer[:mode] != answered ||
		binary.LittleEndian.Uint32([]byte(answer[mode:sum])) != uint32(info.Mode()) || !info.Mode().IsRegular() {
		return Hashed{}, false
	}
	return Hashed{SHA256: [sha256.Size]byte([]byte(answer[sum:])), Size: info.Size(), Mode: info.Mode()}, true
}

// modeAnswer is about what something is. The size of directories means nothing.
func modeAnswer(info fs.FileInfo) string {
	b := binary.LittleEndian.AppendUint32([]byte(answered), uint32(info.Mode()))
	if !info.Mode().IsDir() {
		b = binary.AppendUvarint(b, uint64(info.Size()))
	}
	return string(b)
}

func listAnswer(entries []fs.DirEntry) string {
	h := sha256.New()
	var b []byte
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(e.Type()))
		b = binary.AppendUvarint(b, uint64(len(e.Name())))
		h.Write(append(b, e.Name()...))
	}
	return answered + string(h.Sum(nil))
}

func textAnswer(text string, err error) string {
	if err != nil {
		return errAnswer(err)
	}
	return answered + text
}

// limitArg and suffixArg are arguments of questions.
func limitArg(limit int64) string { return strconv.FormatInt(limit, 10) }

func suffixArg(suffixes []string) string { return strings.Join(suffixes, "\x00") }

func splitSuffixes(arg string) []string {
	if arg == "" {
		return nil
	}
	return strings.Split(arg, "\x00")
}

// ask answers a question that is about p, as the log's methods do. stamp is that of
// the last time; while it holds, known is the answer.
func ask(q question, p place, s stamp, known string) (string, stamp) {
	switch q.op {
	case opContent:
		return askContent(q, p, s, known)
	case opMode, opLinkMode:
		stat := p.stat
		if q.op == opLinkMode {
			stat = p.lstat
		}
		info, err := stat()
		if err != nil {
			return errAnswer(err), s
		}
		return modeAnswer(info), s
	case opList:
		entries, err := p.list(splitSuffixes(q.arg))
		if err != nil {
			return errAnswer(err), s
		}
		return listAnswer(entries), s
	case opTarget:
		return textAnswer(p.readlink()), s
	case opReal:
		return textAnswer(filepath.EvalSymlinks(p.name)), s
	}
	return "", s
}

func askContent(q question, p place, s stamp, known string) (string, stamp) {
	now := time.Now()
	if s != (stamp{}) {
		if info, err := p.stat(); err == nil && info.Mode().IsRegular() && stampOf(info, now) == s {
			return known, s
		}
	}
	limit, err := strconv.ParseInt(q.arg, 10, 64)
	if err != nil {
		return "", s
	}
	f, info, err := p.openFile()
	if err != nil {
		return errAnswer(err), s
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, limit)); err != nil {
		return errAnswer(err), s
	}
	return contentAnswer(h, info), stampOf(info, now)
}
