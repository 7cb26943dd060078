//! Policies for labs, put together from what a table says.
//!
//! Invariant: every policy starts from the same floor: programs of the system, this lab's `attempt`, nothing else.
//! Leaves to others: `{work}` and the like, which the lab fills in.

/// Everything but the floor is empty until asked for.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    lists: Vec<(&'static str, String)>,
    network: Vec<String>,
    exec_deny: Vec<String>,
    sockets: Vec<String>,
    options: Vec<&'static str>,
    ask: Vec<String>,
    more: String,
    environment: Vec<(&'static str, &'static str)>,
    create: Vec<String>,
}

impl Rules {
    /// May run programs of the system and write the project.
    pub fn new() -> Rules {
        Rules::default()
            .exec("/usr/**")
            .exec("{attempt}")
            .read("/etc/ld.so.cache")
            .read("/etc/hostname")
            .read("/proc/**")
            .read("/dev/**")
            .write("/dev/null")
            .write("/dev/zero")
            .write("{work}/**")
    }

    /// May do everything that a policy can allow.
    pub fn everything() -> Rules {
        Rules::default().exec("/**").write("/**").network("all")
    }

    fn list(mut self, key: &'static str, pattern: &str) -> Rules {
        self.lists.push((key, pattern.to_owned()));
        self
    }

    pub fn read(self, pattern: &str) -> Rules {
        self.list("read", pattern)
    }

    pub fn write(self, pattern: &str) -> Rules {
        self.list("write", pattern)
    }

    pub fn exec(self, pattern: &str) -> Rules {
        self.list("exec", pattern)
    }

    pub fn deny(self, pattern: &str) -> Rules {
        self.list("deny", pattern)
    }

    pub fn readonly(self, pattern: &str) -> Rules {
        self.list("readonly", pattern)
    }

    pub fn exec_deny(mut self, name: &str) -> Rules {
        self.exec_deny.push(name.to_owned());
        self
    }

    pub fn socket(mut self, name: &str) -> Rules {
        self.sockets.push(name.to_owned());
        self
    }

    /// `all`, `none`, or one more address of a list.
    pub fn network(mut self, address: &str) -> Rules {
        self.network.push(address.to_owned());
        self
    }

    /// Ask before anything is changed there.
    pub fn ask_write(mut self, pattern: &str) -> Rules {
        self.ask.push(pattern.to_owned());
        self
    }

    /// Tables of their own, as they stand in a file.
    pub fn toml(mut self, text: &str) -> Rules {
        self.more.push_str(text);
        self
    }

    /// One more option of `govsh run`.
    pub fn option(mut self, option: &'static str) -> Rules {
        self.options.push(option);
        self
    }

    /// May come to be there, and nothing else.
    pub fn create(mut self, pattern: &str) -> Rules {
        self.create.push(pattern.to_owned());
        self
    }

    /// As a kernel with an older Landlock would have it.
    pub fn landlock(mut self, abi: &'static str) -> Rules {
        self.environment.push(("GOVSH_LANDLOCK_ABI", abi));
        self
    }

    pub fn environment(&self) -> &[(&'static str, &'static str)] {
        &self.environment
    }

    pub fn options(&self) -> &[&'static str] {
        &self.options
    }

    pub fn text(&self) -> String {
        let mut text = String::from("version = 1\n[files]\n");
        for key in ["read", "write", "exec", "deny", "readonly"] {
            let all: Vec<&String> =
                self.lists.iter().filter(|(of, _)| *of == key).map(|(_, pattern)| pattern).collect();
            text.push_str(&format!("{key} = {all:?}\n"));
        }
        let ask = |path: &String| format!("{{ path = {path:?}, access = \"write\" }}");
        let asks: Vec<String> = self.ask.iter().map(ask).collect();
        text.push_str(&format!("ask = [{}]\n", asks.join(", ")));
        let create = |path: &String| format!("{{ path = {path:?}, access = [\"create\"] }}");
        let creates: Vec<String> = self.create.iter().map(create).collect();
        text.push_str(&format!("allow = [{}]\n", creates.join(", ")));
        text.push_str(&format!("[exec]\ndeny = {:?}\n[sockets]\nallow = {:?}\n", self.exec_deny, self.sockets));
        match self.network.as_slice() {
            [one] if one == "all" || one == "none" => text.push_str(&format!("[network]\nallow = {one:?}\n")),
            list => text.push_str(&format!("[network]\nallow = {list:?}\n")),
        }
        text.push_str(&self.more);
        text
    }
}
