// Package sbom writes what a system consists of in the formats that tools for software
// bills of materials read: SPDX 2.3 and CycloneDX 1.6, as JSON. The same system gives the
// same bytes.
package sbom

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"time"

	"sysc/store"
	"sysc/systems"
)

// A System is what a bill is about.
type System struct {
	Manifest *systems.Manifest
	// Digest is that of the manifest's encoding; it becomes part of the bill's own name.
	Digest store.Digest
	// Created is when the system was made; both formats want a time.
	Created time.Time
	// Revision is that of the definition, "" when it is not known.
	Revision string
	// Version is that of sysc.
	Version string
	// License, if not nil, says what licences a package's files are under.
	License func(*systems.Package) License
}

// A License is what a package declares. The zero value declares nothing.
type License struct {
	// Expression is an SPDX license expression.
	Expression string
	// Refs are the names in it that SPDX does not know, "LicenseRef-…", with what the
	// package calls them.
	Refs map[string]string
}

// license returns what a package declares.
func (s *System) license(p *systems.Package) License {
	if s.License == nil {
		return License{}
	}
	return s.License(p)
}

// write writes JSON for people, too.
func write(w io.Writer, bill any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(bill)
}

// created is the time as both formats have it.
func (s *System) created() string { return s.Created.UTC().Format("2006-01-02T15:04:05Z") }

// uuid names the bill: the beginning of the digest as RFC 9562 has it, version 8.
func (s *System) uuid() string {
	b := s.Digest
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	h := b.Hex()
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:32]}, "-")
}

// purl is the address of a package in package-url's type "deb".
func purl(p *systems.Package) string {
	escape := func(s string) string { return strings.ReplaceAll(url.PathEscape(s), "+", "%2B") }
	return "pkg:deb/debian/" + escape(p.Name) + "@" + strings.ReplaceAll(escape(p.Version), ":", "%3A") + "?arch=" + url.QueryEscape(p.Architecture)
}
