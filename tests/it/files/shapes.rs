//! Carve-outs against the shapes that file systems have: links, mounts, names that look alike, roots behind links.

use crate::lab::Lab;

const RULES: &str =
    "extends = [\"agent\"]\n[files]\ndeny = ['${workdir}/secret/**', '${workdir}/**/*.vault', '${workdir}/exact']\n";

fn lab(rules: &str) -> Lab {
    let lab = Lab::new(rules);
    for name in ["secret/key", "sub/a.vault", "exact"] {
        lab.write(&format!("work/{name}"), "SECRET\n");
    }
    lab
}

/// Nothing of what is carved out comes out, and all of it is left as it was.
fn holds(lab: &Lab, script: &str) {
    let done = lab.run(&format!("{script}; echo ended"));
    assert!(!done.out.contains("SECRET") && done.out.ends_with("ended\n"), "{}", done.out);
    for name in ["secret/key", "sub/a.vault", "exact"] {
        assert_eq!(lab.read(&format!("work/{name}")), "SECRET\n", "{name}");
    }
}

#[test]
fn moving_exchanging_and_linking_take_nothing_out() {
    holds(
        &lab(RULES),
        "mkdir d; echo d > f; python3 - <<'P'\nimport ctypes, os\nc = ctypes.CDLL(None)\n\
         for a, b in [('secret', 'd'), ('d', 'secret'), ('secret/key', 'f'), ('f', 'exact'), ('sub', 'd'), ('d', 'sub'), ('sub/a.vault', 'f'), ('exact', 'f')]:\n    \
         print(c.renameat2(-100, a.encode(), -100, b.encode(), 2))\n\
         for a, b in [('secret', 's2'), ('secret/key', 'k'), ('exact', 'e'), ('sub/a.vault', 'v')]:\n    \
         for act in [os.rename, os.link, os.symlink]:\n        \
         try: act(a, b)\n        except OSError: pass\n        \
         try: print(open(b).read())\n        except OSError: pass\n        \
         try: os.unlink(b)\n        except OSError: pass\nP\n\
         mv sub sub2; cat sub2/a.vault; mv sub2 sub; cd ..; mv work work2; cat work2/exact; cd work; ln -s secret s; cat s/key; mv f exact; rm exact; rmdir secret; rm -r sub",
    );
}

#[test]
fn hard_links_that_were_there_are_recognised() {
    let lab = lab(RULES);
    lab.outside("ln exact other; ln exact sub/other");
    holds(
        &lab,
        "cat other sub/other; echo x > other; chmod 777 other; ln other third; cat third; mv other fourth; cat fourth; cp other fifth",
    );
}

#[test]
fn names_that_are_not_there_yet_are_carved_out_as_well() {
    let lab = lab(
        "extends = [\"agent\"]\n[files]\ndeny = ['${workdir}/**/.token', '${workdir}/later/**']\nreadonly = ['${workdir}/**/fixed/**']\n",
    );
    let done = lab.run("echo x > .token; mkdir later; mkdir -p a/b; echo x > a/b/.token; echo x > a/t; mv a/t a/.token; ln a/t a/b/.token; ln -s t a/.token; mkdir a/fixed; \
                        mkdir m; echo x > m/x; mv m a/fixed; mv m later; ls -A . a a/b");
    assert!(
        !done.out.contains("token\n") && !done.out.contains("\nlater") && !done.out.contains("fixed\n"),
        "{}",
        done.out
    );
}

/// A project behind a link: rules hold by its real path and by the one that was written, whichever way it is reached.
#[test]
fn roots_behind_links_hold_both_ways() {
    let lab = lab(RULES);
    lab.outside("ln -s \"$PWD\" ../link");
    let link = lab.path("link");
    let written = format!(
        "extends = [\"agent\"]\n[files]\nwrite = ['{0}/**']\ndeny = ['{0}/secret/**', '{0}/exact', '{0}/**/*.vault']\n",
        link.display()
    );
    lab.write("policy.toml", &format!("version = 1\n{written}"));
    let real = lab.path("work").display().to_string();
    let script = format!(
        "cat secret/key exact sub/a.vault {0}/secret/key {1}/secret/key ../link/exact {1}/sub/a.vault; mv ../link ../gone; echo x > new && echo wrote",
        link.display(),
        real
    );
    for dir in [lab.path("work"), link.clone()] {
        let done = lab.run_in(&dir, &script);
        assert!(!done.out.contains("SECRET") && done.out.contains("wrote\n"), "{}", done.out);
    }
}

/// Names are bytes: forms that look alike are other names, and a rule means the form that it is written in.
#[test]
fn letters_that_look_alike_are_other_names() {
    let lab = lab("extends = [\"agent\"]\n[files]\ndeny = ['${workdir}/caf\u{e9}', '${workdir}/.env']\n");
    lab.write("work/caf\u{e9}", "SECRET\n");
    lab.write("work/cafe\u{301}", "other\n");
    lab.write("work/.ENV", "upper\n");
    let done = lab
        .run("cat caf*; cat .ENV; echo x > .env; printf x > \"$(printf 'caf\\303\\251')\"; mv .ENV .env; echo ended");
    assert!(
        !done.out.contains("SECRET") && done.out.contains("other\n") && done.out.contains("upper\n"),
        "{}",
        done.out
    );
    assert!(!lab.path("work/.env").exists());
}

/// A file system that is mounted inside of a tree belongs to the tree.
#[test]
fn mount_points_are_a_part_of_the_tree() {
    let lab = lab(RULES);
    std::fs::create_dir(lab.path("work/mnt")).unwrap();
    // A mount of its own, in a mount namespace of its own: the whole of govsh runs in it.
    let script = format!(
        "mount -t tmpfs none mnt && mkdir mnt/secret mnt/sub && echo SECRET > mnt/x.vault && echo fine > mnt/y && mount --bind secret mnt/secret && \
         mount --bind sub mnt/sub && {} run --policy {} -- sh -c 'cat mnt/x.vault mnt/sub/a.vault; cat mnt/y; echo z > mnt/z && cat mnt/z; \
         mv mnt/x.vault mnt/w; cat mnt/w; umount mnt; echo ended'",
        env!("CARGO_BIN_EXE_govsh"),
        lab.path("policy.toml").display()
    );
    let out = lab.outside(&format!("unshare -rm sh -c '{}' 2>&1", script.replace('\'', "'\\''")));
    assert!(
        !out.contains("SECRET") && out.contains("fine\n") && out.contains("z\n") && out.ends_with("ended\n"),
        "{out}"
    );
}
