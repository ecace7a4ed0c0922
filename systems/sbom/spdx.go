package sbom

import (
	"io"
	"maps"
	"slices"
	"strings"

	"sysc/store"
	"sysc/systems"
)

// What stands where nothing is said.
const noAssertion = "NOASSERTION"

// The following is the part of SPDX 2.3 that a system needs, by the names of its JSON
// schema.
type (
	spdxDocument struct {
		SPDXVersion       string             `json:"spdxVersion"`
		DataLicense       string             `json:"dataLicense"`
		ID                string             `json:"SPDXID"`
		Name              string             `json:"name"`
		DocumentNamespace string             `json:"documentNamespace"`
		CreationInfo      spdxCreation       `json:"creationInfo"`
		Packages          []spdxPackage      `json:"packages"`
		Licenses          []spdxLicense      `json:"hasExtractedLicensingInfos,omitempty"`
		Relationships     []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string          `json:"SPDXID"`
		Name             string          `json:"name"`
		VersionInfo      string          `json:"versionInfo,omitempty"`
		DownloadLocation string          `json:"downloadLocation"`
		FilesAnalyzed    bool            `json:"filesAnalyzed"`
		LicenseConcluded string          `json:"licenseConcluded"`
		LicenseDeclared  string          `json:"licenseDeclared"`
		CopyrightText    string          `json:"copyrightText"`
		PrimaryPurpose   string          `json:"primaryPackagePurpose,omitempty"`
		Checksums        []spdxChecksum  `json:"checksums,omitempty"`
		ExternalRefs     []spdxReference `json:"externalRefs,omitempty"`
	}
	spdxLicense struct {
		ID   string `json:"licenseId"`
		Name string `json:"name"`
		Text string `json:"extractedText"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxReference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
)

const (
	spdxDocumentID = "SPDXRef-DOCUMENT"
	spdxSystemID   = "SPDXRef-System"
)

// SPDX writes a system as SPDX 2.3.
func SPDX(w io.Writer, s *System) error {
	doc := spdxDocument{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxDocumentID,
		Name: s.Manifest.Name, DocumentNamespace: "urn:uuid:" + s.uuid(),
		CreationInfo:  spdxCreation{s.created(), []string{"Tool: sysc-" + s.Version}},
		Relationships: []spdxRelationship{{spdxDocumentID, "DESCRIBES", spdxSystemID}},
	}
	system := spdxUnknown(spdxSystemID, s.Manifest.Name, s.Revision)
	system.PrimaryPurpose = "OPERATING-SYSTEM"
	system.Checksums = spdxSHA256(s.Digest)
	doc.Packages = append(doc.Packages, system)
	refs := map[string]string{}
	for i := range s.Manifest.Packages {
		p := &s.Manifest.Packages[i]
		one := spdxUnknown(spdxID(p), p.Name, p.Version)
		if !p.SHA256.IsZero() {
			one.Checksums = spdxSHA256(p.SHA256)
		}
		if !p.Replaced { // else it is in no archive
			one.ExternalRefs = []spdxReference{{"PACKAGE-MANAGER", "purl", purl(p)}}
		}
		if l := s.license(p); l.Expression != "" {
			one.LicenseDeclared = l.Expression
			maps.Copy(refs, l.Refs)
		}
		doc.Packages = append(doc.Packages, one)
		doc.Relationships = append(doc.Relationships, spdxRelationship{spdxSystemID, "CONTAINS", one.ID})
	}
	for _, id := range slices.Sorted(maps.Keys(refs)) {
		doc.Licenses = append(doc.Licenses, spdxLicense{id, refs[id],
			"What a package calls \"" + refs[id] + "\": its text is in the file /usr/share/doc/PACKAGE/copyright of the package, or named there."})
	}
	return write(w, doc)
}

// spdxUnknown is a package of which nobody has looked at the files.
func spdxUnknown(id, name, version string) spdxPackage {
	return spdxPackage{
		ID: id, Name: name, VersionInfo: version, DownloadLocation: noAssertion,
		LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, CopyrightText: noAssertion,
	}
}

func spdxSHA256(d store.Digest) []spdxChecksum { return []spdxChecksum{{"SHA256", d.Hex()}} }

// spdxID makes an identifier, which letters, digits, "." and "-" are allowed in, so that
// two packages have two. Names of packages have "+" besides, and no upper case.
func spdxID(p *systems.Package) string {
	return "SPDXRef-Package-" + strings.ReplaceAll(p.Name, "+", "P") + "-" + p.Architecture
}
