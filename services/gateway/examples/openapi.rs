//! Prints the contract of the native API: `make openapi` keeps it as docs/openapi.json.

fn main() {
    println!("{:#}", *chartseal_gateway::openapi::CONTRACT);
}
