package debian

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"sysc/store"
	"sysc/systems/distro/debian/archive"
)

// A Revision is one state of the archives of an input, by the digests of their
// indexes. It goes into the lock file.
type Revision struct {
	Indexes []Index `json:"indexes"`
	// Earlier are indexes of states of before, which have packages that stayed as they
	// were. Nothing new is taken from them.
	Earlier []Index `json:"earlier,omitempty"`
}

// All is the revision with its earlier indexes among the others.
func (r Revision) All() Revision { return Revision{Indexes: slices.Concat(r.Indexes, r.Earlier)} }

// An Index is one Packages file.
type Index struct {
	// Archive is the name of the mirror that has it.
	Archive      string `json:"archive"`
	Suite        string `json:"suite"`
	Component    string `json:"component"`
	Architecture string `json:"architecture"`
	// Path is below the mirror's base address.
	Path string `json:"path"`
	// ByHash is the path that stays valid when the mirror is updated, "" when
	// there is none.
	ByHash string       `json:"by_hash,omitempty"`
	Size   int64        `json:"size"`
	SHA256 store.Digest `json:"sha256"`
	// Date is when the archive was signed.
	Date time.Time `json:"date"`
	// NotAutomatic is set for backports and experimental: their packages are
	// taken only when asked for.
	NotAutomatic bool `json:"not_automatic,omitempty"`
	// ButAutomaticUpgrades is set, beside it, for backports: their packages are more
	// welcome than those of experimental.
	ButAutomaticUpgrades bool `json:"but_automatic_upgrades,omitempty"`
}

// ID returns 64 hexadecimal digits that change with the contents of any index,
// but not when an archive is merely signed again.
func (r Revision) ID() string {
	h := sha256.New()
	for _, i := range r.Indexes {
		// JSON of strings is unambiguous; no other property is needed.
		line, err := json.Marshal([]string{i.Archive, i.Suite, i.Component, i.Architecture, i.Path, i.SHA256.Hex()})
		if err != nil {
			panic("debian.Revision.ID: " + err.Error()) // strings always encode
		}
		h.Write(line)
	}
	return store.Digest(h.Sum(nil)).Hex()
}

// Architectures returns those that the revision has indexes of, sorted, without "all".
func (r Revision) Architectures() []string {
	var out []string
	for _, i := range r.Indexes {
		if i.Architecture != ArchitectureAll {
			out = append(out, i.Architecture)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// For returns what the revision has for some architectures, and for all.
func (r Revision) For(architectures []string) Revision {
	other := func(i Index) bool {
		return i.Architecture != ArchitectureAll && !slices.Contains(architectures, i.Architecture)
	}
	return Revision{
		Indexes: slices.DeleteFunc(slices.Clone(r.Indexes), other),
		Earlier: slices.DeleteFunc(slices.Clone(r.Earlier), other),
	}
}

// Date returns when the newest of the archives was signed.
func (r Revision) Date() time.Time {
	var newest time.Time
	for _, i := range r.Indexes {
		if i.Date.After(newest) {
			newest = i.Date
		}
	}
	return newest
}

type (
	// A SignatureError says that an archive is not signed by who it should be.
	SignatureError = archive.SignatureError
	// An ExpiredError says that an archive's state is too old, or from the future.
	ExpiredError = archive.ExpiredError
	// A MalformedError says that a signed file holds what it may not.
	MalformedError = archive.MalformedError
	// A ReplayError says that an archive's state is older than the one that is known.
	ReplayError = archive.ReplayError
	// A MismatchError says that a file is not what the signed Release file says.
	MismatchError = archive.MismatchError
)

// Update asks the archives for their present state: it fetches each Release file,
// verifies it with the archive's own keys at the time now, and returns the
// digests of the indexes, archive by archive in the order given. An archive must not
// have gone back behind known, which may be empty.
//
// The error is what the fetcher returned, a [*SignatureError], an
// [*ExpiredError], a [*ReplayError], or says what the archive lacks.
func Update(ctx context.Context, archives []Archive, f Fetcher, now time.Time, known Revision) (Revision, error) {
	var r Revision
	for _, a := range archives {
		indexes, err := updateOne(ctx, a, f, now, known)
		if err != nil {
			return Revision{}, fmt.Errorf("update %s of %s: %w", a.Suite, a.Mirror, err)
		}
		r.Indexes = append(r.Indexes, indexes...)
	}
	return r, nil
}

func updateOne(ctx context.Context, a Archive, f Fetcher, now time.Time, known Revision) ([]Index, error) {
	release, err := readRelease(ctx, a, f, now)
	if err != nil {
		return nil, err
	}
	list := a.indexes
	if a.isFlat() {
		list = a.flatIndex
	}
	indexes, err := list(release)
	if err != nil {
		return nil, err
	}
	return indexes, known.checkNewer(a, indexes)
}

// checkNewer returns a [*ReplayError] when the state of an archive is older than the
// known one. An older signature over the same indexes does no harm: mirrors of one name
// may be a signature apart.
func (r Revision) checkNewer(a Archive, indexes []Index) error {
	for _, index := range indexes {
		for _, old := range r.Indexes {
			if old.Archive == a.Mirror && old.Suite == a.Suite && old.Path == index.Path && old.SHA256 != index.SHA256 && index.Date.Before(old.Date) {
				return &ReplayError{File: a.Mirror + ":" + path.Join(a.dir(), "Release"), Date: index.Date, Known: old.Date}
			}
		}
	}
	return nil
}

// indexes returns those of the components that an archive is asked for.
func (a *Archive) indexes(release *archive.Release) ([]Index, error) {
	architectures, err := a.architectures(release)
	if err != nil {
		return nil, err
	}
	var indexes []Index
	for _, component := range a.Components {
		if !release.HasComponent(component) {
			return nil, fmt.Errorf("no component %q, there is %s", component, strings.Join(release.Components, ", "))
		}
		for _, architecture := range architectures {
			file, ok := release.Index(component, architecture)
			if architecture == ArchitectureSource {
				file, ok = release.Sources(component)
			}
			if !ok && architecture == ArchitectureAll {
				continue
			}
			if !ok {
				return nil, fmt.Errorf("the Release file has no SHA-256 of the index of %s for %s", component, architecture)
			}
			indexes = append(indexes, a.index(release, file, component, architecture))
		}
	}
	return indexes, nil
}

// architectures are those whose indexes matter: the one asked for, and "all" where that
// has indexes of its own, or where there is nothing else.
func (a *Archive) architectures(release *archive.Release) ([]string, error) {
	switch have := slices.Contains(release.Architectures, a.Architecture); {
	case a.Architecture == ArchitectureSource:
		return []string{ArchitectureSource}, nil
	case have && release.SeparateAll:
		return []string{a.Architecture, ArchitectureAll}, nil
	case have:
		return []string{a.Architecture}, nil
	case slices.Equal(release.Architectures, []string{ArchitectureAll}):
		return release.Architectures, nil
	}
	return nil, fmt.Errorf("no architecture %q, there is %s", a.Architecture, strings.Join(release.Architectures, ", "))
}

// index describes one of the files that a Release has.
func (a *Archive) index(release *archive.Release, file archive.File, component, architecture string) Index {
	index := Index{
		Archive: a.Mirror, Suite: a.Suite, Component: component, Architecture: architecture,
		Path: path.Join(a.dir(), file.Path), Size: file.Size, SHA256: file.SHA256,
		Date: release.Date, NotAutomatic: release.NotAutomatic, ButAutomaticUpgrades: release.ButAutomaticUpgrades,
	}
	if release.AcquireByHash {
		index.ByHash = path.Join(a.dir(), file.ByHash())
	}
	return index
}

// flatIndex returns the one index of a flat repository, which has packages of every
// architecture in it.
func (a *Archive) flatIndex(release *archive.Release) ([]Index, error) {
	if a.Architecture == ArchitectureSource {
		file, ok := release.FlatSources()
		if !ok {
			return nil, errors.New("the Release file has no SHA-256 of Sources")
		}
		return []Index{a.index(release, file, "", ArchitectureSource)}, nil
	}
	file, ok := release.FlatIndex()
	if !ok {
		return nil, errors.New("the Release file has no SHA-256 of Packages")
	}
	return []Index{a.index(release, file, "", ArchitectureAll)}, nil
}
