// Package tracker reads what Debian's security tracker publishes as JSON: which
// vulnerabilities there are in source packages, and in which version of each release they
// are fixed.
//
// The file is one object: source packages by name, in each the vulnerabilities by name
// (CVE-2026-1234, TEMP-… as long as there is no number), in each "releases" by code name
// with "status" (open, resolved, undetermined), "fixed_version" ("0" where the release
// never was vulnerable), "urgency", and where Debian has decided that no advisory
// follows, "nodsa" and "nodsa_reason".
package tracker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sysc/systems/distro/debian/version"
)

// A Status says what is known of a vulnerability in a release.
type Status string

const (
	// Open is not fixed.
	Open Status = "open"
	// Resolved is fixed in a version that is not the one in question.
	Resolved Status = "resolved"
	// Undetermined is not known: it may or may not be there.
	Undetermined Status = "undetermined"
)

// A Vulnerability is one that a version of a source package has.
type Vulnerability struct {
	ID     string // CVE-2026-1234
	Source string
	Status Status
	// FixedVersion is the first version without it, "" when there is none.
	FixedVersion string
	// Urgency is the tracker's word: "not yet assigned", "unimportant", "low", "medium",
	// "high", "end-of-life".
	Urgency string
	// NoAdvisory says why no advisory follows, "" when one may.
	NoAdvisory  string
	Description string
}

// Unimportant is the urgency of what Debian takes for no danger: a crash of a program that
// nobody else feeds, code that the package does not build.
const Unimportant = "unimportant"

// maxText bounds what is kept of a description, in bytes.
const maxText = 4096

// An entry is one vulnerability of a source package, as the file has it.
type entry struct {
	Description string `json:"description"`
	Releases    map[string]struct {
		Status       Status `json:"status"`
		FixedVersion string `json:"fixed_version"`
		Urgency      string `json:"urgency"`
		NoDSA        string `json:"nodsa"`
		NoDSAReason  string `json:"nodsa_reason"`
	} `json:"releases"`
}

// Read returns the vulnerabilities of source packages in a release, sorted by source
// package and name. sources has the versions that are there, of each package all.
func Read(r io.Reader, release string, sources map[string][]string) ([]Vulnerability, error) {
	found, err := read(r, release, sources)
	if err != nil {
		return nil, fmt.Errorf("read the security tracker's data: %w", err)
	}
	slices.SortFunc(found, func(a, b Vulnerability) int { return strings.Compare(a.Source+"\x00"+a.ID, b.Source+"\x00"+b.ID) })
	return found, nil
}

func read(r io.Reader, release string, sources map[string][]string) ([]Vulnerability, error) {
	d := json.NewDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("it is no JSON object"), err)
	}
	var found []Vulnerability
	seen := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		source := name.(string) // a key: nothing else can stand there
		versions := sources[source]
		if len(versions) == 0 && seen {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return nil, err
			}
			continue
		}
		var entries map[string]entry
		if err := d.Decode(&entries); err != nil {
			return nil, fmt.Errorf("%q: %w", source, err)
		}
		for id, e := range entries {
			_, knows := e.Releases[release]
			seen = seen || knows
			if v, err := e.judge(id, source, release, versions); err != nil {
				return nil, err
			} else if v != nil {
				found = append(found, *v)
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if !seen {
		return nil, fmt.Errorf("it says nothing of release %q", release)
	}
	return found, nil
}

// judge returns the vulnerability that one of the versions has, nil when none has it.
func (e *entry) judge(id, source, release string, versions []string) (*Vulnerability, error) {
	at, ok := e.Releases[release]
	if !ok || len(versions) == 0 {
		return nil, nil
	}
	v := &Vulnerability{
		ID: id, Source: source, Status: at.Status, Urgency: strings.TrimRight(at.Urgency, "*"),
		NoAdvisory: at.NoDSAReason, Description: strings.ToValidUTF8(e.Description[:min(len(e.Description), maxText)], ""),
	}
	if v.NoAdvisory == "" {
		v.NoAdvisory = at.NoDSA
	}
	switch at.Status {
	case Open, Undetermined:
		return v, nil
	case Resolved:
	default:
		return nil, fmt.Errorf("%s in %q: status %q is not known", id, source, at.Status)
	}
	if at.FixedVersion == "0" {
		return nil, nil
	}
	if err := version.Check(at.FixedVersion); err != nil {
		return nil, fmt.Errorf("%s in %q: %v", id, source, err)
	}
	v.FixedVersion = at.FixedVersion
	if slices.ContainsFunc(versions, func(have string) bool { return version.Compare(have, at.FixedVersion) < 0 }) {
		return v, nil
	}
	return nil, nil
}
