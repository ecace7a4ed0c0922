package archive

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sysc/store"
	"sysc/systems/distro/debian/deb822"
)

// A Release is what a (verified) Release file says of its repository: Debian's
// RepositoryFormat, "Release files".
type Release struct {
	Origin, Label, Suite, Codename, Version string
	Date                                    time.Time
	// ValidUntil is zero when the file does not say: it never expires.
	ValidUntil    time.Time
	Components    []string
	Architectures []string
	// AcquireByHash is true when files can be had under their hash, too, which
	// stays true while the mirror is being updated.
	AcquireByHash bool
	// NotAutomatic is true for suites whose packages are only for those who ask
	// for them, as backports and experimental.
	NotAutomatic bool
	// ButAutomaticUpgrades is true for those suites whose packages, once installed,
	// are to be upgraded from there, as backports.
	ButAutomaticUpgrades bool
	// SeparateAll is true when packages for all architectures have indexes of
	// their own.
	SeparateAll bool

	files map[string]File
}

// A File is one file that a Release vouches for.
type File struct {
	// Path is relative to the directory of the Release file.
	Path   string
	Size   int64
	SHA256 store.Digest
}

// ParseRelease reads a Release file's text, which must have been verified. Files
// without SHA-256 are as if they were not there: MD5 and SHA-1 vouch for nothing.
func ParseRelease(text []byte) (*Release, error) {
	stanza, err := deb822.NewReader(bytes.NewReader(text)).Next()
	if err != nil {
		return nil, fmt.Errorf("parse Release: %v", err)
	}
	if err := stanza.CheckUnique(); err != nil {
		return nil, fmt.Errorf("parse Release: %v", err)
	}
	r := &Release{
		Origin:        stanza.Value("Origin"),
		Label:         stanza.Value("Label"),
		Suite:         stanza.Value("Suite"),
		Codename:      stanza.Value("Codename"),
		Version:       stanza.Value("Version"),
		Components:    strings.Fields(stanza.Value("Components")),
		Architectures: strings.Fields(stanza.Value("Architectures")),
		AcquireByHash: stanza.Value("Acquire-By-Hash") == "yes",
		NotAutomatic:  stanza.Value("NotAutomatic") == "yes",

		ButAutomaticUpgrades: stanza.Value("ButAutomaticUpgrades") == "yes",
	}
	noAll := strings.Fields(stanza.Value("No-Support-for-Architecture-all"))
	r.SeparateAll = slices.Contains(r.Architectures, "all") && !slices.Contains(noAll, "Packages")
	if r.Date, err = parseDate(stanza, "Date"); err != nil {
		return nil, fmt.Errorf("parse Release: %v", err)
	}
	if r.Date.IsZero() {
		return nil, fmt.Errorf("parse Release: no Date")
	}
	if r.ValidUntil, err = parseDate(stanza, "Valid-Until"); err != nil {
		return nil, fmt.Errorf("parse Release: %v", err)
	}
	if err := r.parseFiles(stanza.Value("SHA256")); err != nil {
		return nil, fmt.Errorf("parse Release: %v", err)
	}
	return r, nil
}

// parseDate reads an RFC 2822 date as Debian writes it, always in UTC. Older
// software may write the day with one digit or a blank.
func parseDate(s *deb822.Stanza, field string) (time.Time, error) {
	text, ok := s.Get(field)
	if !ok {
		return time.Time{}, nil
	}
	for _, layout := range []string{"Mon, _2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			if name, offset := t.Zone(); offset != 0 || name != "UTC" && name != "GMT" && name != "" && name != "Z" && !strings.HasSuffix(text, "+0000") {
				return time.Time{}, fmt.Errorf("%s %q is not in UTC", field, text)
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q is no date", field, text)
}

func (r *Release) parseFiles(list string) error {
	lines := deb822.Lines(list)
	if len(lines) == 0 {
		return fmt.Errorf("no SHA256 list: weaker hashes are not accepted")
	}
	r.files = make(map[string]File, len(lines))
	for _, line := range lines {
		parts := strings.Fields(line)
		if len(parts) != 3 {
			return fmt.Errorf("SHA256: %q is not \"hash size path\"", line)
		}
		digest, err := store.ParseDigest(parts[0])
		if err != nil {
			return fmt.Errorf("SHA256: %v", err)
		}
		size, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || size < 0 {
			return fmt.Errorf("SHA256: %q is no size", parts[1])
		}
		if name := parts[2]; path.Clean("/"+name) != "/"+name {
			return fmt.Errorf("SHA256: path %q leads elsewhere", name)
		}
		if old, ok := r.files[parts[2]]; ok && old.SHA256 != digest {
			return fmt.Errorf("SHA256: %q stands there twice, with two hashes", parts[2])
		}
		r.files[parts[2]] = File{Path: parts[2], Size: size, SHA256: digest}
	}
	return nil
}

// File returns what the Release says of a file.
func (r *Release) File(path string) (File, bool) {
	f, ok := r.files[path]
	return f, ok
}

// Is reports whether name is the Release's suite or code name. A mirror that
// answers a question for trixie with bookworm's files is caught by it. A Release that
// has neither may be any.
func (r *Release) Is(name string) bool {
	return name == r.Suite || name == r.Codename || r.Suite == "" && r.Codename == ""
}

// maxFuture is how far a Release may be dated ahead of the clock.
const maxFuture = 24 * time.Hour

// CheckDate returns an [*ExpiredError] unless the Release is valid at a time.
func (r *Release) CheckDate(file string, now time.Time) error {
	if r.Date.After(now.Add(maxFuture)) {
		return &ExpiredError{File: file, Date: r.Date, Now: now}
	}
	if !r.ValidUntil.IsZero() && now.After(r.ValidUntil) {
		return &ExpiredError{File: file, Date: r.Date, ValidUntil: r.ValidUntil, Now: now}
	}
	return nil
}

// HasComponent reports whether the repository has a component. The security
// archive writes "updates/main" for what lies in main/.
func (r *Release) HasComponent(name string) bool {
	return slices.Contains(r.Components, name) || slices.Contains(r.Components, "updates/"+name)
}

// Index returns the Packages index of a component and an architecture that is
// the cheapest to read, which is gzip before xz, before the plain file.
func (r *Release) Index(component, architecture string) (File, bool) {
	return r.cheapest(component + "/binary-" + architecture + "/Packages")
}

// FlatIndex returns the one Packages index of a flat repository, which has neither
// components nor directories of architectures, as Index does.
func (r *Release) FlatIndex() (File, bool) { return r.cheapest("Packages") }

// Sources returns the Sources index of a component, as Index does.
func (r *Release) Sources(component string) (File, bool) {
	return r.cheapest(path.Join(component, "source", "Sources"))
}

// FlatSources returns the one Sources index of a flat repository.
func (r *Release) FlatSources() (File, bool) { return r.cheapest("Sources") }

// Contents returns the list of the files of the packages of a component and an
// architecture, or "all", as Index does.
func (r *Release) Contents(component, architecture string) (File, bool) {
	return r.cheapest(component + "/Contents-" + architecture)
}

func (r *Release) cheapest(path string) (File, bool) {
	for _, suffix := range []string{".gz", ".xz", ""} {
		if f, ok := r.File(path + suffix); ok {
			return f, true
		}
	}
	return File{}, false
}

// ByHash returns the path under which a file stays available.
func (f File) ByHash() string {
	return path.Join(path.Dir(f.Path), "by-hash", "SHA256", f.SHA256.Hex())
}
