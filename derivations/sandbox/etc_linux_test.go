package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// etcFixture has what a root has that was configured as a machine's.
func etcFixture(t *testing.T) *fixture {
	f := newFixture(t)
	for name, content := range map[string]string{
		"etc/passwd": "wolf:x:1000:1000::/home/wolf:/bin/sh\n", "etc/hosts": "192.0.2.1 elsewhere\n", "etc/machine-id": "0123456789abcdef\n",
		"etc/default/d": "default\n", "sys/secret": "secret\n",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(f.spec.Root, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(f.spec.Root, name), []byte(content), 0o644))
	}
	return f
}

func TestEtcIsTheSandboxsOwn(t *testing.T) {
	f := etcFixture(t)
	f.shell("id; cat /etc/passwd /etc/group /etc/hosts /etc/name /etc/default/d; ls /etc; getent hosts localhost").expect(
		"uid=1000(build) gid=100(build) groups=100(build)",
		"root:x:0:0:root:/root:/bin/sh", "build:x:1000:100:build:/build:/bin/sh", "nobody:x:65534:65534:nobody:/:/bin/sh",
		"root:x:0:", "build:x:100:", "nogroup:x:65534:",
		"127.0.0.1\tlocalhost", "::1\tlocalhost",
		"root's", "default",
		"default", "group", "hosts", "name", "passwd",
		"::1             localhost")
	f.spec.UID, f.spec.GID, f.spec.Hostname = 2000, 300, "other"
	f.shell("id; cat /etc/hosts").expect("uid=2000(build) gid=300(build) groups=300(build)", "127.0.0.1\tlocalhost other", "::1\tlocalhost other")
	f.builder("append", "/etc/passwd", "/etc/new").expect("/etc/passwd: EROFS", "/etc/new: EROFS")
	f.builder("read", "/etc/machine-id", "/sys", "/sys/secret").expect("/etc/machine-id: ENOENT", "/sys: ENOENT", "/sys/secret: ENOENT")
}

func TestEtcOfAWritableRootIsTheRoots(t *testing.T) {
	f := etcFixture(t).writable()
	f.shell("cat /etc/passwd /etc/hosts /etc/machine-id; ls /sys").expect(
		"wolf:x:1000:1000::/home/wolf:/bin/sh", "192.0.2.1 elsewhere", "0123456789abcdef", "secret")
}

func TestEtcOfARootWithoutOne(t *testing.T) {
	f := newFixture(t)
	must(t, os.RemoveAll(filepath.Join(f.spec.Root, "etc")))
	f.shell("id -un; ls /etc").expect("build", "group", "hosts", "passwd")
	f.builder("append", "/etc/passwd", "/etc/new").expect("/etc/passwd: EACCES", "/etc/new: EROFS")
	f.builder("chmod", "/etc/passwd").expect("/etc/passwd: EROFS")
}

// A link as /etc must not lead the sandbox's files anywhere.
func TestEtcThatIsALink(t *testing.T) {
	f := newFixture(t)
	must(t, os.Rename(filepath.Join(f.spec.Root, "etc"), filepath.Join(f.spec.Root, "home/etc")))
	must(t, os.Symlink("home/etc", filepath.Join(f.spec.Root, "etc")))
	f.builder("read", "/etc/name", "/etc/passwd").expect("/etc/name: ok", "/etc/passwd: ENOENT")
}
