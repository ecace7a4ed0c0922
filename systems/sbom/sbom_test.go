package sbom

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"sysc/store"
	"sysc/systems"
)

func laptop() *System {
	return &System{
		Manifest: &systems.Manifest{Name: "laptop", Packages: []systems.Package{
			{Name: "bash", Version: "5.2.37-2+b5", Architecture: "amd64", SHA256: store.DigestOf([]byte("bash"))},
			{Name: "libc6", Version: "2.41-12", Architecture: "amd64", SHA256: store.DigestOf([]byte("libc6"))},
			{Name: "libc6", Version: "2.41-12", Architecture: "i386"},
			{Name: "libstdc++6", Version: "4:14.2.0~rc1-19", Architecture: "amd64", SHA256: store.DigestOf([]byte("c++"))},
		}},
		Digest: store.DigestOf([]byte("system")), Created: time.Date(2026, 9, 14, 14, 0, 0, 0, time.FixedZone("", 7200)), Revision: "0123abc-dirty", Version: "1.2.3",
	}
}

// TestSPDX reads a document with the library of those who make the format.
func TestSPDX(t *testing.T) {
	var out bytes.Buffer
	if err := SPDX(&out, laptop()); err != nil {
		t.Fatal(err)
	}
	doc, err := spdxjson.Read(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	if doc.DocumentName != "laptop" || doc.CreationInfo.Created != "2026-09-14T12:00:00Z" || len(doc.Packages) != 5 || len(doc.Relationships) != 5 {
		t.Errorf("got %+v", doc)
	}
	ids := map[string]bool{}
	for _, p := range doc.Packages {
		ids[string(p.PackageSPDXIdentifier)] = true
	}
	if len(ids) != 5 {
		t.Errorf("ids are %v", ids)
	}
	cpp := doc.Packages[4]
	if got := cpp.PackageExternalReferences[0].Locator; got != "pkg:deb/debian/libstdc%2B%2B6@4%3A14.2.0~rc1-19?arch=amd64" {
		t.Errorf("purl %s", got)
	}
	if len(cpp.PackageChecksums) != 1 || cpp.PackageChecksums[0].Value != store.DigestOf([]byte("c++")).Hex() || len(doc.Packages[3].PackageChecksums) != 0 {
		t.Errorf("checksums %v, %v", cpp.PackageChecksums, doc.Packages[3].PackageChecksums)
	}
	again := new(bytes.Buffer)
	if err := SPDX(again, laptop()); err != nil || again.String() != out.String() {
		t.Error("not the same twice")
	}
}

// TestCycloneDX reads a bill with the library of those who make the format, which
// refuses what it does not know.
func TestCycloneDX(t *testing.T) {
	var out bytes.Buffer
	if err := CycloneDX(&out, laptop()); err != nil {
		t.Fatal(err)
	}
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(out.Bytes()), cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != cyclonedx.SpecVersion1_6 || bom.Metadata.Component.Type != cyclonedx.ComponentTypeOS || len(*bom.Components) != 4 {
		t.Errorf("got %+v", bom)
	}
	// What the library knows of it is all that there is.
	var back bytes.Buffer
	encoder := cyclonedx.NewBOMEncoder(&back, cyclonedx.BOMFileFormatJSON)
	if err := encoder.Encode(bom); err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(out.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(back.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if string(a) != string(b) {
		t.Errorf("wrote %s\nread  %s", a, b)
	}
	if serial := bom.SerialNumber; len(serial) != 45 || !strings.HasPrefix(serial, "urn:uuid:") || serial[23] != '8' || !strings.Contains("89ab", serial[28:29]) {
		t.Errorf("serial number %s", serial)
	}
}
