package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// An etcFile is a file of /etc that is the same in every sandbox.
type etcFile struct{ name, content string }

// etcFiles returns what a builder's /etc says about who and where it is: as
// little as makes id, getpwuid(3) and a server on localhost work.
func etcFiles(uid, gid int, hostname string) []etcFile {
	localhost := "localhost"
	if hostname != localhost {
		localhost += " " + hostname
	}
	return []etcFile{
		{"group", fmt.Sprintf("root:x:0:\n%s:x:%d:\nnogroup:x:65534:\n", buildUser, gid)},
		{"hosts", fmt.Sprintf("127.0.0.1\t%[1]s\n::1\t%[1]s\n", localhost)},
		{"passwd", fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\n%s:x:%d:%d:%[1]s:/build:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", buildUser, uid, gid)},
	}
}

// hiddenEtc tells one machine from another.
const hiddenEtc = "machine-id"

// mountEtc puts the sandbox's own files over those of the root's /etc, and hides
// what it must not have. The rest of /etc remains the root's. A root whose /etc
// is no directory keeps it.
func mountEtc(top place, req *request) error {
	own, err := newMount("tmpfs", plain, "mode", "0755")
	if err != nil {
		return step(err, "make a tmpfs")
	}
	defer unix.Close(own)
	for _, f := range etcFiles(unix.Getuid(), unix.Getgid(), string(req.Hostname)) {
		if err := writeFile(own, f.name, f.content); err != nil {
			return step(err, "write /etc/%s", f.name)
		}
	}
	etc, err := top.directory("etc")
	switch err {
	case nil:
		defer etc.close()
		return step(mergeEtc(top, own), "make /etc")
	case unix.ENOENT:
		if err := top.makeDir("etc"); err != nil {
			return step(err, "make /etc")
		}
		p, err := top.directory("etc")
		if err != nil {
			return step(err, "make /etc")
		}
		defer p.close()
		if err := (place{own}).seal(); err != nil {
			return step(err, "make /etc read-only")
		}
		return step(attach(own, p.fd), "mount /etc")
	}
	return nil
}

// mergeEtc mounts own, and the root's /etc below it, at /etc. A file system can
// be merged if it has a name: own gets that of /run for the moment, which is
// still empty.
func mergeEtc(top place, own int) error {
	// What overlay takes for: there is no such file (whiteout).
	if err := unix.Mknodat(own, hiddenEtc, unix.S_IFCHR, 0); err != nil {
		return err
	}
	run, err := top.directory("run")
	if err != nil {
		return err
	}
	defer run.close()
	if err := attach(own, run.fd); err != nil {
		return err
	}
	if err := unix.Fchdir(top.fd); err != nil {
		return err
	}
	merged, err := top.mountNew("etc", "overlay", readOnly, "lowerdir", "run:etc")
	if err != nil {
		return makeStepError(err, true, "merge /etc")
	}
	merged.close()
	return unix.Unmount("run", unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
}

func writeFile(dir int, name, content string) error {
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(content))
	return err
}
