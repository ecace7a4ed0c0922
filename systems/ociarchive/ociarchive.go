// Package ociarchive writes a tree of a store as an image for container engines: an OCI
// image layout in one tar archive, with a single layer, which podman, docker and skopeo
// load. The same tree and options give the same bytes.
//
// The formats are the OCI image specification's 1.1: image-layout.md, manifest.md, config.md.
package ociarchive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"sysc/store"
	"sysc/systems/tarball"
)

// Options say what is not in the tree.
type Options struct {
	Platform string // "linux/amd64"
	// Name is what engines call the image, as in "laptop:latest".
	Name string
	// Command is what a container runs, and StopSignal what ends that; "" is the
	// engine's.
	Command    []string
	StopSignal string
	// Compression is the layer's.
	Compression tarball.Compression
}

// layerTypes are the media types of layers.
var layerTypes = map[tarball.Compression]string{
	tarball.None: "application/vnd.oci.image.layer.v1.tar",
	tarball.Gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
	tarball.Zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
	refName      = "org.opencontainers.image.ref.name"
	// nameAnnotation is the whole name, for docker and containerd.
	nameAnnotation = "io.containerd.image.name"
)

// fileTime is the time of everything.
var fileTime = time.Unix(1, 0).UTC()

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type config struct {
	Created time.Time `json:"created"`
	platform
	Config struct {
		Cmd        []string `json:"Cmd,omitempty"`
		StopSignal string   `json:"StopSignal,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []history `json:"history"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// Write writes an image of the tree root of src.
func Write(ctx context.Context, w io.Writer, src tarball.Source, root store.Digest, opts Options) error {
	if err := write(ctx, w, src, root, opts); err != nil {
		return fmt.Errorf("write image %s: %w", opts.Name, err)
	}
	return nil
}

func write(ctx context.Context, w io.Writer, src tarball.Source, root store.Digest, opts Options) (err error) {
	system, architecture, ok := strings.Cut(opts.Platform, "/")
	if !ok {
		return fmt.Errorf("platform %q", opts.Platform)
	}
	layer, err := makeLayer(ctx, src, root, opts.Compression)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, layer.file.Close()) }()
	c := config{Created: fileTime, platform: platform{architecture, system}, History: []history{{fileTime, "sysc image"}}}
	c.Config.Cmd, c.Config.StopSignal = opts.Command, opts.StopSignal
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{layer.plain}
	a := &archive{to: tar.NewWriter(w)}
	a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	a.dir("blobs/")
	a.dir("blobs/sha256/")
	a.copy(blobName(layer.Digest), layer.Size, layer.file)
	m := manifest{SchemaVersion: 2, MediaType: manifestType, Layers: []descriptor{layer.descriptor}}
	m.Config = a.blob(configType, c)
	d := a.blob(manifestType, m)
	d.Platform = &c.platform
	_, tag, _ := strings.Cut(opts.Name, ":")
	d.Annotations = map[string]string{nameAnnotation: opts.Name, refName: tag}
	text, err := json.Marshal(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{d}})
	if err != nil {
		return err
	}
	a.file("index.json", text)
	return a.close()
}

// A layer is one in a file without a name.
type layer struct {
	descriptor
	plain string // digest without compression
	file  *os.File
}

func makeLayer(ctx context.Context, src tarball.Source, root store.Digest, c tarball.Compression) (_ *layer, err error) {
	f, err := os.CreateTemp("", "sysc-image-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	plain, packed := sha256.New(), sha256.New()
	z, err := tarball.Compress(io.MultiWriter(f, packed), c)
	if err != nil {
		return nil, err
	}
	if err := tarball.Write(ctx, io.MultiWriter(z, plain), src, root, tarball.None); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &layer{descriptor{MediaType: layerTypes[c], Digest: digest(packed), Size: size}, digest(plain), f}, nil
}

func digest(h hash.Hash) string { return fmt.Sprintf("sha256:%x", h.Sum(nil)) }

func blobName(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

// An archive is the outer one. Its first error stays.
type archive struct {
	to  *tar.Writer
	err error
}

func (a *archive) dir(name string) {
	a.header(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: fileTime})
}

func (a *archive) header(h *tar.Header) {
	if a.err == nil {
		a.err = a.to.WriteHeader(h)
	}
}

func (a *archive) copy(name string, size int64, data io.Reader) {
	a.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: fileTime})
	if a.err == nil {
		_, a.err = io.Copy(a.to, data)
	}
}

func (a *archive) file(name string, data []byte) {
	a.copy(name, int64(len(data)), bytes.NewReader(data))
}

// blob writes a value as JSON, under its digest.
func (a *archive) blob(mediaType string, value any) descriptor {
	text, err := json.Marshal(value)
	if err != nil {
		a.err = errors.Join(a.err, err)
		return descriptor{}
	}
	d := descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(text)), Size: int64(len(text))}
	a.file(blobName(d.Digest), text)
	return d
}

func (a *archive) close() error {
	if a.err != nil {
		return a.err
	}
	return a.to.Close()
}
