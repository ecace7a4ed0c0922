package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"sysc/internal/download"
	"sysc/systems/distro/debian/archive"
)

// readRelease fetches an archive's Release file and verifies it.
func readRelease(ctx context.Context, a Archive, f Fetcher, now time.Time) (*archive.Release, error) {
	ring, err := archive.ReadRing(a.Keyring)
	if err != nil {
		return nil, err
	}
	text, name, err := fetchSigned(ctx, a, f, ring, now)
	if err != nil {
		return nil, err
	}
	release, err := archive.ParseRelease(text)
	if err != nil {
		return nil, &MalformedError{File: name, Cause: err}
	}
	if !a.isFlat() && !release.Is(a.Suite) {
		return nil, fmt.Errorf("the mirror answered with suite %q, code name %q", release.Suite, release.Codename)
	}
	if !a.AllowExpired {
		if err := release.CheckDate(name, now); err != nil {
			return nil, err
		}
	}
	return release, nil
}

// fetchSigned returns the text of a Release file that a key of the ring has signed, and
// what to call it: InRelease, or Release with the signature beside it, which is what
// many small archives have.
func fetchSigned(ctx context.Context, a Archive, f Fetcher, ring *archive.Ring, now time.Time) (text []byte, name string, err error) {
	fetch := func(file string) ([]byte, error) {
		return fetchAll(ctx, f, FetchRequest{Mirror: a.Mirror, Paths: []string{path.Join(a.dir(), file)}, Size: -1, MaxSize: archive.MaxInRelease})
	}
	name = a.Mirror + ":" + path.Join(a.dir(), "InRelease")
	data, err := fetch("InRelease")
	if err == nil {
		text, err = archive.Verify(name, data, ring, now)
		return text, name, err
	}
	if !download.IsGone(err) {
		return nil, "", err
	}
	signature, sigErr := fetch("Release.gpg")
	if sigErr != nil {
		return nil, "", errors.Join(err, sigErr)
	}
	name = a.Mirror + ":" + path.Join(a.dir(), "Release")
	if text, err = fetch("Release"); err != nil {
		return nil, "", err
	}
	return text, name, archive.VerifyDetached(name, text, signature, ring, now)
}

// isFlat reports whether the archive is a flat repository: what stands in place of a
// suite is then a directory, and there are no components (sources.list(5)).
func (a *Archive) isFlat() bool { return isFlat(a.Suite) }

func isFlat(suite string) bool { return strings.HasSuffix(suite, "/") }

// dir is where an archive's indexes are below the mirror's base address.
func (a *Archive) dir() string {
	if a.isFlat() {
		return strings.TrimPrefix(path.Clean("/"+a.Suite), "/")
	}
	return path.Join("dists", a.Suite)
}

func fetchAll(ctx context.Context, f Fetcher, r FetchRequest) ([]byte, error) {
	body, err := f.Fetch(ctx, r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(body, r.MaxSize+1))
	return data, errors.Join(err, body.Close())
}
