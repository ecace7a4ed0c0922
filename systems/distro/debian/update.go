package debian

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
}

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
	// A MismatchError says that a file is not what the signed Release file says.
	MismatchError = archive.MismatchError
)

// Update asks the archives for their present state: it fetches each InRelease,
// verifies it with the archive's own keys at the time now, and returns the
// digests of the indexes, archive by archive in the order given.
//
// The error is what the fetcher returned, a [*SignatureError], an
// [*ExpiredError], or says what the archive lacks.
func Update(ctx context.Context, archives []Archive, f Fetcher, now time.Time) (Revision, error) {
	var r Revision
	for _, a := range archives {
		indexes, err := updateOne(ctx, a, f, now)
		if err != nil {
			return Revision{}, fmt.Errorf("update %s of %s: %w", a.Suite, a.Mirror, err)
		}
		r.Indexes = append(r.Indexes, indexes...)
	}
	return r, nil
}

func updateOne(ctx context.Context, a Archive, f Fetcher, now time.Time) ([]Index, error) {
	release, err := readRelease(ctx, a, f, now)
	if err != nil {
		return nil, err
	}
	return indexesOf(a, release)
}

// readRelease fetches an archive's Release file and verifies it.
func readRelease(ctx context.Context, a Archive, f Fetcher, now time.Time) (*archive.Release, error) {
	file := path.Join(a.dir(), "InRelease")
	ring, err := archive.ReadRing(a.Keyring)
	if err != nil {
		return nil, err
	}
	data, err := fetchAll(ctx, f, FetchRequest{Mirror: a.Mirror, Paths: []string{file}, Size: -1, MaxSize: archive.MaxInRelease})
	if err != nil {
		return nil, err
	}
	name := a.Mirror + ":" + file
	text, err := archive.Verify(name, data, ring, now)
	if err != nil {
		return nil, err
	}
	release, err := archive.ParseRelease(text)
	if err != nil {
		return nil, &MalformedError{File: name, Cause: err}
	}
	if !release.Is(a.Suite) {
		return nil, fmt.Errorf("the mirror answered with suite %q, code name %q", release.Suite, release.Codename)
	}
	if !a.AllowExpired {
		if err := release.CheckDate(name, now); err != nil {
			return nil, err
		}
	}
	return release, nil
}

// dir is where an archive's indexes are below the mirror's base address.
func (a *Archive) dir() string { return path.Join("dists", a.Suite) }

// indexesOf returns the indexes of the components that an archive is asked for.
func indexesOf(a Archive, release *archive.Release) ([]Index, error) {
	if !slices.Contains(release.Architectures, a.Architecture) {
		return nil, fmt.Errorf("no architecture %q, there is %s", a.Architecture, strings.Join(release.Architectures, ", "))
	}
	architectures := []string{a.Architecture}
	if release.SeparateAll {
		architectures = append(architectures, "all")
	}
	var indexes []Index
	for _, component := range a.Components {
		if !release.HasComponent(component) {
			return nil, fmt.Errorf("no component %q, there is %s", component, strings.Join(release.Components, ", "))
		}
		for _, architecture := range architectures {
			file, ok := release.Index(component, architecture)
			if !ok && architecture == "all" {
				continue
			}
			if !ok {
				return nil, fmt.Errorf("the Release file has no SHA-256 of the Packages of %s for %s", component, architecture)
			}
			indexes = append(indexes, a.index(release, file, component, architecture))
		}
	}
	return indexes, nil
}

// index describes one of the files that a Release has.
func (a *Archive) index(release *archive.Release, file archive.File, component, architecture string) Index {
	index := Index{
		Archive: a.Mirror, Suite: a.Suite, Component: component, Architecture: architecture,
		Path: path.Join(a.dir(), file.Path), Size: file.Size, SHA256: file.SHA256,
		Date: release.Date, NotAutomatic: release.NotAutomatic,
	}
	if release.AcquireByHash {
		index.ByHash = path.Join(a.dir(), file.ByHash())
	}
	return index
}

func fetchAll(ctx context.Context, f Fetcher, r FetchRequest) ([]byte, error) {
	body, err := f.Fetch(ctx, r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(body, r.MaxSize+1))
	return data, errors.Join(err, body.Close())
}
