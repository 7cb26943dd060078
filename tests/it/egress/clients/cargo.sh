export CARGO_HTTP_CAINFO=$CA CARGO_HOME=$PWD/cargo CARGO_TERM_QUIET=true
mkdir -p cargo src
cat >cargo/config.toml <<T
[registries.local]
index = "sparse+https://$WEB/cargo/"
[registries.other]
index = "sparse+https://$OTHER/cargo/"
T
printf '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\ndepx = { version = "1", registry = "local" }\n' >Cargo.toml
echo 'fn main() { println!("{}", depx::ANSWER + 1); }' >src/main.rs
cargo fetch
cargo run --offline
sed -i 's/"local"/"other"/' Cargo.toml
! cargo --config net.retry=0 update 2>refused
echo refused
