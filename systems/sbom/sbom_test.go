package sbom

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
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
		License: func(p *systems.Package) License {
			switch p.Name {
			case "bash":
				return License{Expression: "GPL-3.0-or-later"}
			case "libc6":
				return License{Expression: "LGPL-2.1-or-later AND LicenseRef-Debian-odd", Refs: map[string]string{"LicenseRef-Debian-odd": "odd"}}
			}
			return License{}
		},
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
	if bash := doc.Packages[1]; bash.PackageLicenseDeclared != "GPL-3.0-or-later" || cpp.PackageLicenseDeclared != noAssertion {
		t.Errorf("licenses %q, %q", bash.PackageLicenseDeclared, cpp.PackageLicenseDeclared)
	}
	if len(doc.OtherLicenses) != 1 || doc.OtherLicenses[0].LicenseIdentifier != "LicenseRef-Debian-odd" {
		t.Errorf("other licenses %+v", doc.OtherLicenses)
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

// TestOfficialSchema compares a bill with the schema that CycloneDX publishes, which comes
// with its library.
func TestOfficialSchema(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range []string{"spdx.schema.json", "jsf-0.82.schema.json", "bom-1.6.schema.json"} {
		f, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "schema", strings.Replace(name, "jsf-0.82.schema", "jsf-0.82.schemax", 1)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		schema, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, schema); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text string) error {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	var out bytes.Buffer
	if err := CycloneDX(&out, laptop()); err != nil {
		t.Fatal(err)
	}
	if err := validate(out.String()); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if validate(strings.Replace(out.String(), `"SHA-256"`, `"SHA-257"`, 1)) == nil {
		t.Error("a hash that does not exist is right")
	}
}
