package sbom

import (
	"io"

	"sysc/store"
)

// The following is the part of CycloneDX 1.6 that a system needs, by the names of its
// JSON schema.
type (
	cyclonedxBill struct {
		Schema       string               `json:"$schema"`
		Format       string               `json:"bomFormat"`
		SpecVersion  string               `json:"specVersion"`
		SerialNumber string               `json:"serialNumber"`
		Version      int                  `json:"version"`
		Metadata     cyclonedxMetadata    `json:"metadata"`
		Components   []cyclonedxComponent `json:"components"`
	}
	cyclonedxMetadata struct {
		Timestamp string             `json:"timestamp"`
		Tools     cyclonedxTools     `json:"tools"`
		Component cyclonedxComponent `json:"component"`
	}
	cyclonedxTools struct {
		Components []cyclonedxComponent `json:"components"`
	}
	cyclonedxComponent struct {
		Type    string          `json:"type"`
		Ref     string          `json:"bom-ref,omitempty"`
		Name    string          `json:"name"`
		Version string          `json:"version,omitempty"`
		Hashes  []cyclonedxHash `json:"hashes,omitempty"`
		// Licenses have one element, an expression.
		Licenses []cyclonedxLicense `json:"licenses,omitempty"`
		PURL     string             `json:"purl,omitempty"`
	}
	cyclonedxLicense struct {
		Expression string `json:"expression"`
	}
	cyclonedxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
)

// CycloneDX writes a system as CycloneDX 1.6.
func CycloneDX(w io.Writer, s *System) error {
	bill := cyclonedxBill{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6",
		SerialNumber: "urn:uuid:" + s.uuid(), Version: 1,
		Metadata: cyclonedxMetadata{
			Timestamp: s.created(),
			Tools:     cyclonedxTools{[]cyclonedxComponent{{Type: "application", Name: "sysc", Version: s.Version}}},
			Component: cyclonedxComponent{
				Type: "operating-system", Ref: "system", Name: s.Manifest.Name, Version: s.Revision, Hashes: cyclonedxSHA256(s.Digest),
			},
		},
		Components: []cyclonedxComponent{},
	}
	for i := range s.Manifest.Packages {
		p := &s.Manifest.Packages[i]
		one := cyclonedxComponent{Type: "library", Ref: purl(p), Name: p.Name, Version: p.Version, PURL: purl(p)}
		if p.Replaced { // it is in no archive
			one.PURL = ""
		}
		if !p.SHA256.IsZero() {
			one.Hashes = cyclonedxSHA256(p.SHA256)
		}
		if l := s.license(p); l.Expression != "" {
			one.Licenses = []cyclonedxLicense{{l.Expression}}
		}
		bill.Components = append(bill.Components, one)
	}
	return write(w, bill)
}

func cyclonedxSHA256(d store.Digest) []cyclonedxHash { return []cyclonedxHash{{"SHA-256", d.Hex()}} }
