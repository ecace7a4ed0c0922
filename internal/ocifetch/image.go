package ocifetch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"

	"sysc/internal/download"
)

// An Image is a manifest of a repository whose layers can be fetched. It is safe
// for concurrent use.
type Image struct {
	*Manifest
	// Reference has the digest that was asked for.
	Reference Reference
	session   *session
}

// Open gets the manifest of an image that is named by digest. Of an index, it is
// the one for a platform, as in "linux/amd64"; an image that is for another one is
// an error. An artifact, and anything when platform is "", is for all platforms.
//
// Errors: [*VerifyError], [*PlatformError], [*MissingError], [*Error], or ctx's.
func (c *Client) Open(ctx context.Context, r Reference, platform string) (*Image, error) {
	if !r.HasDigest() {
		return nil, fmt.Errorf("fetch image %s: no digest", r)
	}
	image, err := c.openImage(ctx, r, platform)
	if err != nil {
		return nil, failed(r.String(), err)
	}
	return image, nil
}

func (c *Client) openImage(ctx context.Context, r Reference, platform string) (*Image, error) {
	s, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	data, _, err := s.manifest(ctx, r)
	if err != nil {
		return nil, err
	}
	index, m, err := ParseManifest(data)
	if err != nil {
		return nil, &VerifyError{r.String(), err}
	}
	if index != nil {
		if m, err = s.choose(ctx, r, index, platform); err != nil {
			return nil, err
		}
	}
	image := &Image{Manifest: m, Reference: r, session: s}
	return image, image.checkPlatform(ctx, platform)
}

// choose gets the manifest for a platform out of an index.
func (s *session) choose(ctx context.Context, r Reference, index *Index, platform string) (*Manifest, error) {
	chosen, ok := index.Choose(platform)
	if !ok {
		return nil, &PlatformError{What: r.String(), Want: platform, Has: index.Platforms()}
	}
	one := r
	one.Digest = chosen.Digest
	data, _, err := s.manifest(ctx, one)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != chosen.Size {
		return nil, &VerifyError{r.String(), fmt.Errorf("the manifest %s has %d bytes, and the index says %d", chosen.Digest, len(data), chosen.Size)}
	}
	inner, m, err := ParseManifest(data)
	switch {
	case err != nil:
		return nil, &VerifyError{r.String(), fmt.Errorf("manifest %s: %w", chosen.Digest, err)}
	case inner != nil:
		return nil, &VerifyError{r.String(), fmt.Errorf("%s is an index in an index", chosen.Digest)}
	case chosen.mediaType != m.mediaType:
		return nil, &VerifyError{r.String(), fmt.Errorf("%s is a %q, and the index says %q", chosen.Digest, m.mediaType, chosen.mediaType)}
	}
	return m, nil
}

// checkPlatform compares what an image's configuration says with a platform.
func (i *Image) checkPlatform(ctx context.Context, platform string) error {
	if i.Artifact || platform == "" {
		return nil
	}
	data, err := i.session.small(ctx, i.config)
	if err != nil {
		return err
	}
	has, err := configPlatform(data)
	if err != nil {
		return &VerifyError{i.Reference.String(), err}
	}
	if has != "" && has != platform {
		return &PlatformError{What: i.Reference.String(), Want: platform, Has: []string{has}}
	}
	return nil
}

// small gets a content that has to be read as a whole.
func (s *session) small(ctx context.Context, d Descriptor) ([]byte, error) {
	if d.Size > maxAnswer {
		return nil, fmt.Errorf("%w: %s has %d bytes", errTooLong, d.Digest, d.Size)
	}
	data, err := s.get(ctx, "blobs", d.Digest.String())
	if err != nil {
		return nil, err
	}
	if got := Digest(sha256.Sum256(data)); got != d.Digest || int64(len(data)) != d.Size {
		return nil, &VerifyError{s.repository.Name(), fmt.Errorf("the registry gave another content\n  expected %s, %d bytes\n  got      %s, %d bytes", d.Digest, d.Size, got, len(data))}
	}
	return data, nil
}

// Fetcher returns what gets a layer: a client, a context to use it in, and what to
// ask it for. Dest and Progress are the caller's to set, and the size has to be
// compared with the layer's afterwards.
func (i *Image) Fetcher(ctx context.Context, l Layer) (context.Context, *download.Client, download.Request) {
	client := *i.session.client.Download
	client.HTTP = &http.Client{Transport: i.session.http.Transport}
	client.Netrc = nil // passwords are the transport's business
	return unlimited(ctx), &client, download.Request{
		URLs: []string{i.session.address("blobs", l.Digest.String())}, SHA256: l.Digest, Size: -1, MaxSize: l.Size,
	}
}
