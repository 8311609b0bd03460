//! How much weather.

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

/// Sequences of the simulation, over both engines.
pub fn runs() -> u64 {
    number("WEATHER_RUNS", 20)
}

/// The first seed; every further run takes the next.
pub fn seed() -> u64 {
    number("WEATHER_SEED", 1)
}

/// kill -9 at points of a record's or a decision's life.
pub fn kills() -> u64 {
    number("WEATHER_KILLS", 30)
}

/// Seconds for which chain and content store are away.
pub fn outage() -> u64 {
    number("WEATHER_OUTAGE", 15)
}
