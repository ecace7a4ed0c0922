package debian

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"sysc/internal/par"
	"sysc/systems/distro/debian/archive"
)

// A FoundFile is a file of packages, of which each has its own.
type FoundFile struct {
	// Path begins with "/".
	Path string
	// Packages are their names, sorted.
	Packages []string
	Suite    string
}

// MaxFoundFiles bounds what one search for files finds.
const MaxFoundFiles = 10_000

// A TooManyFilesError says that a pattern finds more than anybody reads.
type TooManyFilesError struct{ Pattern string }

func (e *TooManyFilesError) Error() string {
	return fmt.Sprintf("more than %d files are called %q", MaxFoundFiles, e.Pattern)
}

// FindFiles looks up which packages have files of a name, in the lists that the
// archives have at present ("Contents indices" of Debian's RepositoryFormat): a path
// from the root on, or a name in any directory. Either may have * and ? in it, see
// path.Match, whose error a bad pattern is. "/bin" and "/usr/bin" are the same, and so on
// for the other directories that are merged. The error is otherwise as that of [Update].
func FindFiles(ctx context.Context, archives []Archive, f Fetcher, now time.Time, pattern string) ([]FoundFile, error) {
	want, err := newFilePattern(pattern)
	if err != nil {
		return nil, err
	}
	var lists []Index
	for _, a := range archives {
		release, err := readRelease(ctx, a, f, now)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", a.Suite, a.Mirror, err)
		}
		lists = append(lists, contentsOf(a, release)...)
	}
	var mu sync.Mutex
	var all []FoundFile
	err = par.Do(ctx, len(lists), parallelIndexes, func(ctx context.Context, i int) error {
		return readIndex(ctx, lists[i], f, func(plain io.Reader) error {
			return want.run(plain, func(file FoundFile) error {
				mu.Lock()
				defer mu.Unlock()
				if len(all) == MaxFoundFiles {
					return &TooManyFilesError{pattern}
				}
				file.Suite = lists[i].Suite
				all = append(all, file)
				return nil
			})
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b FoundFile) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Suite, b.Suite), slices.Compare(a.Packages, b.Packages))
	})
	return slices.CompactFunc(all, func(a, b FoundFile) bool {
		return a.Path == b.Path && a.Suite == b.Suite && slices.Equal(a.Packages, b.Packages)
	}), nil
}

// contentsOf returns the lists of files that an archive has for what it is asked for.
func contentsOf(a Archive, release *archive.Release) []Index {
	var lists []Index
	for _, component := range a.Components {
		for _, architecture := range []string{a.Architecture, "all"} {
			if file, ok := release.Contents(component, architecture); ok {
				lists = append(lists, a.index(release, file, component, architecture))
			}
		}
	}
	return lists
}

// A filePattern is what files are compared with: whole paths if it has a slash,
// otherwise names.
type filePattern struct {
	text  string // for paths without the first "/", and without "usr" if that is merged
	whole bool
	plain bool   // without * and the like
	hint  string // is in every path that matches
}

func newFilePattern(pattern string) (*filePattern, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("find files %q: %w", pattern, err)
	}
	p := &filePattern{text: pattern, plain: !strings.ContainsAny(pattern, `*?[\`)}
	if rest, ok := strings.CutPrefix(pattern, "/"); ok {
		p.text, p.whole = merged(path.Clean(rest)), true
	} else if strings.Contains(pattern, "/") {
		return nil, fmt.Errorf("find files %q: write a path from the root on, with / in front, or a name without /", pattern)
	}
	p.hint = longestLiteral(p.text)
	return p, nil
}

// longestLiteral returns the longest part of a pattern that stands for itself, or ""
// when that is not easy to tell.
func longestLiteral(pattern string) string {
	if strings.ContainsAny(pattern, `[\`) {
		return ""
	}
	parts := strings.FieldsFunc(pattern, func(r rune) bool { return r == '*' || r == '?' })
	if len(parts) == 0 {
		return ""
	}
	return slices.MaxFunc(parts, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

// merged is the path of what may be called bin/x and usr/bin/x.
func merged(name string) string {
	for _, dir := range []string{"usr/bin/", "usr/sbin/", "usr/lib"} {
		if strings.HasPrefix(name, dir) {
			return strings.TrimPrefix(name, "usr/")
		}
	}
	return name
}

func (p *filePattern) matches(name string) bool {
	if p.whole {
		name = merged(name)
	} else {
		name = path.Base(name)
	}
	if p.plain {
		return name == p.text
	}
	ok, _ := path.Match(p.text, name) // newFilePattern has tried
	return ok
}

// maxContentsLine bounds a line of a list, in bytes.
const maxContentsLine = 1 << 20

// run calls found for each file of a list that matches. A line is a path, white space,
// and "section/package", or several of them with commas between.
func (p *filePattern) run(list io.Reader, found func(FoundFile) error) error {
	lines := bufio.NewReaderSize(list, maxContentsLine)
	hint := []byte(p.hint)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("parse contents: a line of more than %d bytes", maxContentsLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if bytes.Contains(line, hint) {
			if file, ok := parseContents(string(line)); ok && p.matches(file.Path[1:]) {
				if err := found(file); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return nil
		}
	}
}

// parseContents reads a line. What is none, as what stood in front of such lists once,
// is no error.
func parseContents(line string) (FoundFile, bool) {
	line = strings.TrimSpace(line)
	at := strings.LastIndexAny(line, " \t")
	if at < 0 {
		return FoundFile{}, false
	}
	file := FoundFile{Path: "/" + strings.TrimPrefix(strings.TrimRight(line[:at], " \t"), "./")}
	for _, p := range strings.Split(line[at+1:], ",") {
		name := path.Base(p) // a section may have a slash in it
		if name != "." && !slices.Contains(file.Packages, name) {
			file.Packages = append(file.Packages, name)
		}
	}
	slices.Sort(file.Packages)
	return file, len(file.Packages) > 0
}
