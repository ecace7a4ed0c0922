package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sysc/internal/par"
	"sysc/systems/distro/debian/deb822"
	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
	"sysc/systems/distro/debian/version"
)

// A Found is a package that a search found.
type Found struct {
	Name         string
	Version      string
	Architecture string
	Suite        string
	Section      string
	// Summary is the first line of the description.
	Summary  string
	Homepage string
	// Size is that of the file to fetch, InstalledSize about that of its files, in
	// bytes; 0 when the index does not say.
	Size, InstalledSize int64
	// NotAutomatic is set for what is installed only when its version is asked for.
	NotAutomatic bool

	rank, pin int
}

// Search finds the packages of a revision, for an architecture, that have every one of
// the words in their name, their summary, or the names that they provide, whatever the
// case. Of each package there is the version that would be installed, by the priorities
// of the part, whose packages are not looked at. What the words say best comes first. The
// error is as that of [ReadPackages].
func Search(ctx context.Context, r Revision, architecture string, f Fetcher, part Part, words []string) ([]Found, error) {
	q := query{architecture: architecture, part: part}
	for _, w := range words {
		q.words = append(q.words, strings.ToLower(w))
	}
	var mu sync.Mutex
	best := map[string]Found{} // with rank noMatch for what does not fit
	err := par.Do(ctx, len(r.Indexes), parallelIndexes, func(ctx context.Context, i int) error {
		index := r.Indexes[i]
		if index.Architecture != architecture && index.Architecture != "all" {
			return nil
		}
		return readIndex(ctx, index, f, func(plain io.Reader) error {
			return q.run(plain, index, func(p Found) {
				mu.Lock()
				defer mu.Unlock()
				if old, ok := best[p.Name]; !ok || p.before(&old) {
					best[p.Name] = p
				}
			})
		})
	})
	if err != nil {
		return nil, err
	}
	var all []Found
	for _, p := range best {
		if p.rank != noMatch {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// before reports whether p would be installed rather than another version. Of the same
// version in two suites, the one by name, so that it does not depend on what was read
// first.
func (p *Found) before(other *Found) bool {
	if p.pin != other.pin {
		return p.pin > other.pin
	}
	c := version.Compare(p.Version, other.Version)
	return c > 0 || c == 0 && p.Suite < other.Suite
}

// A query is what packages are compared with.
type query struct {
	words        []string // in lower case
	architecture string
	part         Part
}

// run calls found for what an index has.
func (q *query) run(plain io.Reader, index Index, found func(Found)) error {
	reader := deb822.NewReader(plain)
	origin := q.part.origin(index, true)
	for {
		stanza, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if arch := stanza.Value("Architecture"); arch != q.architecture && arch != "all" {
			continue
		}
		p := Found{Name: stanza.Value("Package"), Version: stanza.Value("Version"), rank: q.rank(stanza)}
		if err := p.describe(stanza); err != nil {
			return err
		}
		p.Suite, p.pin = index.Suite, origin.PinOf(p.Name, p.Version)
		p.NotAutomatic = p.pin < universe.PinDefault
		found(p)
	}
}

// What a word says about a package, the most first.
const (
	isName = iota
	beginsName
	inName
	elsewhere
)

const noMatch = -1

// rank returns how well a package fits, 0 being best, or noMatch.
func (q *query) rank(s *deb822.Stanza) int {
	rank := 0
	name := strings.ToLower(s.Value("Package"))
	summary := strings.ToLower(summaryOf(s))
	provides := strings.ToLower(s.Value("Provides"))
	for _, w := range q.words {
		switch {
		case name == w:
			rank += isName
		case strings.HasPrefix(name, w):
			rank += beginsName
		case strings.Contains(name, w):
			rank += inName
		case strings.Contains(summary, w), strings.Contains(provides, w):
			rank += elsewhere
		default:
			return noMatch
		}
	}
	return rank
}

func summaryOf(s *deb822.Stanza) string {
	summary, _, _ := strings.Cut(s.Value("Description"), "\n")
	return strings.TrimSpace(summary)
}

// describe checks name and version, and reads the rest of what fits.
func (p *Found) describe(s *deb822.Stanza) error {
	if err := relation.CheckName(p.Name); err != nil {
		return fmt.Errorf("parse package: %v", err)
	}
	if err := version.Check(p.Version); err != nil {
		return fmt.Errorf("parse package %q: %v", p.Name, err)
	}
	if p.rank == noMatch {
		return nil
	}
	p.Architecture, p.Section, p.Summary, p.Homepage = s.Value("Architecture"), s.Value("Section"), summaryOf(s), s.Value("Homepage")
	// Sizes are for people: what is none is not known.
	if n, err := strconv.ParseInt(s.Value("Size"), 10, 64); err == nil && n > 0 {
		p.Size = n
	}
	const kibi = 1 << 10
	if n, err := strconv.ParseInt(s.Value("Installed-Size"), 10, 53); err == nil && n > 0 {
		p.InstalledSize = n * kibi
	}
	return nil
}
