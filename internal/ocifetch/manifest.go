package ocifetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// maxLayers bounds the layers of an image. Docker takes 127.
	maxLayers = 512
	// maxManifests bounds the manifests of an index.
	maxManifests = 2048
	// maxLayer bounds one layer, packed, in bytes.
	maxLayer = 64 << 30
)

// titleAnnotation is the name of a file in an artifact: OCI Image Specification 1.1,
// "Pre-Defined Annotation Keys".
const titleAnnotation = "org.opencontainers.image.title"

// acceptedManifests are what a registry may answer with.
var acceptedManifests = []string{
	string(types.OCIImageIndex), string(types.OCIManifestSchema1), string(types.DockerManifestList), string(types.DockerManifestSchema2),
}

// A Compression is how a layer is packed.
type Compression string

// The compressions that layers have.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// layerTypes are the types of layers of images.
var layerTypes = map[types.MediaType]Compression{
	types.OCIUncompressedLayer:    None,
	types.OCILayer:                Gzip,
	types.OCILayerZStd:            Zstd,
	types.DockerUncompressedLayer: None,
	types.DockerLayer:             Gzip,
	"application/vnd.docker.image.rootfs.diff.tar.zstd": Zstd,
}

// A Descriptor names a content.
type Descriptor struct {
	Digest    Digest
	Size      int64 // bytes
	mediaType types.MediaType
}

// A Layer is one content of an image or artifact.
type Layer struct {
	Descriptor
	// Compression is that of a layer of an image, a tar archive; "" in an artifact.
	Compression Compression
	// Title is the name of a file in an artifact, "" for none.
	Title string
}

// A Manifest says what an image or artifact consists of.
type Manifest struct {
	// Layers are in the order in which they are applied.
	Layers []Layer
	// Artifact is set when the layers are files, and not layers of a root.
	Artifact  bool
	config    Descriptor
	mediaType types.MediaType
}

// An Index has manifests for platforms.
type Index struct {
	manifests []platformManifest
}

type platformManifest struct {
	Descriptor
	platform platform
}

// A platform is one of an index; os is "" when it does not say.
type platform struct{ os, arch, variant string }

func (p platform) String() string {
	text := p.os + "/" + p.arch
	if p.variant != "" {
		text += "/" + p.variant
	}
	return text
}

// documentJSON is a manifest or an index.
type documentJSON struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *descriptorJSON   `json:"config"`
	Layers        *[]descriptorJSON `json:"layers"`
	Manifests     *[]descriptorJSON `json:"manifests"`
	FSLayers      json.RawMessage   `json:"fsLayers"`
}

type descriptorJSON struct {
	MediaType   types.MediaType   `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls"`
	Annotations map[string]string `json:"annotations"`
	Platform    *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

// ParseManifest reads a manifest or an index: one of them is nil. What it is follows
// from the text alone, whatever type the registry said it had; a text that could be
// either is an error.
func ParseManifest(data []byte) (*Index, *Manifest, error) {
	if len(data) > maxAnswer {
		return nil, nil, errTooLong
	}
	var doc documentJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil {
		return nil, nil, fmt.Errorf("read manifest: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, nil, errors.New("read manifest: something stands behind its end")
	}
	isIndex, isImage := doc.Manifests != nil, doc.Layers != nil || doc.Config != nil
	switch {
	case doc.SchemaVersion == 1 || doc.FSLayers != nil:
		return nil, nil, errors.New("a manifest of schema 1, which registries have given up; push the image anew")
	case isIndex && isImage:
		return nil, nil, errors.New("a manifest that is an index as well")
	case !isIndex && !isImage:
		return nil, nil, errors.New("neither a manifest nor an index")
	case isIndex && doc.MediaType != "" && !doc.MediaType.IsIndex(), isImage && doc.MediaType != "" && !doc.MediaType.IsImage():
		return nil, nil, fmt.Errorf("it says that it is a %q, and has the members of another type", doc.MediaType)
	case isIndex:
		index, err := doc.index()
		return index, nil, err
	}
	m, err := doc.manifest()
	return nil, m, err
}

func (doc *documentJSON) index() (*Index, error) {
	if len(*doc.Manifests) > maxManifests {
		return nil, fmt.Errorf("an index of more than %d manifests", maxManifests)
	}
	index := &Index{}
	for i, raw := range *doc.Manifests {
		d, err := raw.descriptor()
		if err != nil {
			return nil, fmt.Errorf("manifest %d of the index: %w", i+1, err)
		}
		m := platformManifest{Descriptor: d}
		if p := raw.Platform; p != nil {
			m.platform = platform{p.OS, p.Architecture, p.Variant}
		}
		index.manifests = append(index.manifests, m)
	}
	return index, nil
}

func (doc *documentJSON) manifest() (*Manifest, error) {
	if doc.Config == nil {
		return nil, errors.New("a manifest without config")
	}
	m := &Manifest{mediaType: doc.MediaType}
	if m.mediaType == "" {
		m.mediaType = types.OCIManifestSchema1
	}
	var err error
	if m.config, err = doc.Config.descriptor(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	m.Artifact = !m.config.mediaType.IsConfig() || doc.ArtifactType != ""
	var layers []descriptorJSON
	if doc.Layers != nil {
		layers = *doc.Layers
	}
	if len(layers) > maxLayers {
		return nil, fmt.Errorf("%d layers, more than %d", len(layers), maxLayers)
	}
	total := int64(0)
	for i, raw := range layers {
		l, err := raw.layer(m.Artifact)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		if total += l.Size; total > maxLayer {
			return nil, fmt.Errorf("layers of more than %d bytes", int64(maxLayer))
		}
		m.Layers = append(m.Layers, l)
	}
	return m, nil
}

func (raw *descriptorJSON) descriptor() (d Descriptor, err error) {
	if d.Digest, err = ParseDigest(raw.Digest); err != nil {
		return d, fmt.Errorf("digest: %w", err)
	}
	if raw.Size < 0 || raw.Size > maxLayer {
		return d, fmt.Errorf("a size of %d bytes", raw.Size)
	}
	d.Size, d.mediaType = raw.Size, raw.MediaType
	return d, nil
}

func (raw *descriptorJSON) layer(artifact bool) (l Layer, err error) {
	if l.Descriptor, err = raw.descriptor(); err != nil {
		return l, err
	}
	if !raw.MediaType.IsDistributable() || len(raw.URLs) > 0 {
		return l, fmt.Errorf("%q is not in the registry, but somewhere else, where sysc does not go", raw.MediaType)
	}
	if artifact {
		l.Title = raw.Annotations[titleAnnotation]
		return l, nil
	}
	var ok bool
	if l.Compression, ok = layerTypes[raw.MediaType]; !ok {
		return l, fmt.Errorf("%q is no type of layer of an image: those are tar archives, compressed by gzip or zstd or not at all", raw.MediaType)
	}
	return l, nil
}

// variants are the variants of architectures that a platform without one stands
// for, best first.
var variants = map[string][]string{
	"amd64": {"", "v1"},
	"arm":   {"v7", "", "v6", "v5"},
	"arm64": {"", "v8"},
}

// Choose returns the manifest for a platform; without one, the only manifest. An
// index of one manifest that says nothing of platforms is for all.
func (x *Index) Choose(want string) (Descriptor, bool) {
	if len(x.manifests) == 1 && (want == "" || x.manifests[0].platform.os == "") {
		return x.manifests[0].Descriptor, true
	}
	os, arch, _ := strings.Cut(want, "/")
	known := variants[arch]
	if known == nil {
		known = []string{""}
	}
	for _, variant := range known {
		i := slices.IndexFunc(x.manifests, func(m platformManifest) bool { return m.platform == platform{os, arch, variant} })
		if i >= 0 && want != "" {
			return x.manifests[i].Descriptor, true
		}
	}
	return Descriptor{}, false
}

// Platforms returns what there is, sorted, as in "linux/arm/v7".
func (x *Index) Platforms() []string {
	var out []string
	for _, m := range x.manifests {
		if m.platform.os != "" && m.platform.os != "unknown" { // attestations have that
			out = append(out, m.platform.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// configPlatform returns the platform that an image's configuration names, "" when
// it names none.
func configPlatform(data []byte) (string, error) {
	var config struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", fmt.Errorf("read the image's configuration: %v", err)
	}
	if config.OS == "" || config.Architecture == "" {
		return "", nil
	}
	return path.Join(config.OS, config.Architecture), nil
}
