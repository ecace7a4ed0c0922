// Package ocitest serves images for tests: a real registry in this process, and what
// puts things there, correct or not.
package ocitest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Registry holds repositories in memory. It is safe for concurrent use.
type Registry struct{ handler http.Handler }

// New returns an empty registry.
func New() *Registry {
	return &Registry{registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.handler.ServeHTTP(w, req) }

// Digest is how registries name a content.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// A Content is a descriptor of a manifest with what it describes. What is empty is
// filled in.
type Content struct {
	MediaType   types.MediaType   `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *Platform         `json:"platform,omitempty"`
	Data        []byte            `json:"-"`
}

// A Platform is that of one manifest of an index.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

func (c *Content) fill() {
	if c.Digest == "" {
		c.Digest, c.Size = Digest(c.Data), int64(len(c.Data))
	}
}

// Image puts an image for a platform, and returns the digest of its manifest. tag may
// be "".
func (r *Registry) Image(repository, tag, platform string, layers ...Content) (string, error) {
	os, arch, _ := strings.Cut(platform, "/")
	config, err := json.Marshal(map[string]any{"os": os, "architecture": arch, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}}})
	if err != nil {
		return "", err
	}
	return r.Manifest(repository, tag, Content{MediaType: types.OCIConfigJSON, Data: config}, layers...)
}

// Manifest puts a manifest with what belongs to it. Contents that have no data are
// not put.
func (r *Registry) Manifest(repository, tag string, config Content, layers ...Content) (string, error) {
	config.fill()
	for i := range layers {
		layers[i].fill()
	}
	for _, c := range append([]Content{config}, layers...) {
		if c.Data == nil {
			continue
		}
		if err := r.blob(repository, c.Data); err != nil {
			return "", err
		}
	}
	return r.Document(repository, tag, types.OCIManifestSchema1, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "config": config, "layers": layers,
	})
}

// Index puts an index of manifests that are there.
func (r *Registry) Index(repository, tag string, manifests ...Content) (string, error) {
	return r.Document(repository, tag, types.OCIImageIndex, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": manifests,
	})
}

// Entry describes a manifest that is there, for an index.
func (r *Registry) Entry(repository, digest, platform string) (Content, error) {
	w := r.do(http.MethodGet, "/v2/"+repository+"/manifests/"+digest, "", nil)
	if w.Code != http.StatusOK {
		return Content{}, fmt.Errorf("get manifest %s: %d", digest, w.Code)
	}
	parts := strings.SplitN(platform, "/", 3)
	p := &Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) > 2 {
		p.Variant = parts[2]
	}
	return Content{MediaType: types.MediaType(w.Header().Get("Content-Type")), Digest: Digest(w.Body.Bytes()), Size: int64(w.Body.Len()), Platform: p}, nil
}

// Document puts any manifest, which is written as JSON unless it is bytes.
func (r *Registry) Document(repository, tag string, mediaType types.MediaType, document any) (string, error) {
	data, ok := document.([]byte)
	if !ok {
		var err error
		if data, err = json.Marshal(document); err != nil {
			return "", err
		}
	}
	digest := Digest(data)
	for _, name := range []string{digest, tag} {
		if name == "" {
			continue
		}
		if w := r.do(http.MethodPut, "/v2/"+repository+"/manifests/"+name, string(mediaType), data); w.Code != http.StatusCreated {
			return "", fmt.Errorf("put manifest %s: %d %s", name, w.Code, w.Body)
		}
	}
	return digest, nil
}

func (r *Registry) blob(repository string, data []byte) error {
	address := "/v2/" + repository + "/blobs/uploads/?digest=" + url.QueryEscape(Digest(data))
	if w := r.do(http.MethodPost, address, "application/octet-stream", data); w.Code != http.StatusCreated {
		return fmt.Errorf("put blob: %d %s", w.Code, w.Body)
	}
	return nil
}

func (r *Registry) do(method, address, mediaType string, data []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, address, bytes.NewReader(data))
	req.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

// Tar writes an archive. Of a header without type the name decides: a slash at its
// end makes it a directory.
func Tar(entries ...Entry) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := e.Header
		h.ModTime = time.Unix(0, 0)
		switch {
		case h.Typeflag != 0:
		case strings.HasSuffix(h.Name, "/"):
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag = tar.TypeReg
		}
		h.Size = int64(len(e.Content))
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, e.Content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// An Entry is one of an archive.
type Entry struct {
	tar.Header
	Content string
}

// Gzip makes a layer of an archive.
func Gzip(archive []byte) (Content, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(archive); err != nil {
		return Content{}, err
	}
	err := w.Close()
	return Content{MediaType: types.OCILayer, Data: out.Bytes()}, err
}

// Zstd makes a layer of an archive.
func Zstd(archive []byte) (Content, error) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return Content{}, err
	}
	return Content{MediaType: types.OCILayerZStd, Data: w.EncodeAll(archive, nil)}, nil
}

// Plain makes a layer of an archive.
func Plain(archive []byte) Content {
	return Content{MediaType: types.OCIUncompressedLayer, Data: archive}
}
