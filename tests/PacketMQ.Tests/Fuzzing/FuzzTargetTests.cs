using PacketMQ.Fuzz;
using PacketMQ.Fuzz.Targets;

namespace PacketMQ.Tests.Fuzzing;

/// <summary>The targets of <c>fuzz/</c> on their seeds and on blind mutations of them, the same ones every time. AFL++ goes further.</summary>
public sealed class FuzzTargetTests
{
    private const int Seed = 20_261_122;
    private const int Inputs = 10_000;

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_target_stands_its_seeds_and_all_findings(string name)
    {
        foreach (byte[] input in SeedCorpus.Of(name))
            Run(Target(name), input, "the seeds");
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_target_stands_what_blind_mutation_makes_of_its_seeds(string name)
    {
        FuzzTarget target = Target(name);
        var mutator = new Mutator(SeedCorpus.Of(name), Seed);
        for (int i = 0; i < Inputs; i++)
            Run(target, mutator.Next(), $"input {i} of seed {Seed}");
    }

    [Fact]
    public void A_failure_says_how_to_see_it_again()
    {
        var target = new FuzzTarget("fragile", input => Invariant.Holds(input.Length < 2, "An input has a byte at most."));
        Run(target, [7], "the first");
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => Run(target, [7, 0xff], "the second"));
        Assert.StartsWith("fragile failed at the second: An input has a byte at most.", e.Message);
        Assert.EndsWith("dotnet run --project fuzz/PacketMQ.Fuzz -- run fragile 07ff", e.Message);
    }

    [Fact]
    public void The_same_seed_makes_the_same_inputs()
    {
        IReadOnlyList<byte[]> seeds = SeedCorpus.Of("session");
        var one = new Mutator(seeds, 1);
        var other = new Mutator(seeds, 1);
        for (int i = 0; i < 1_000; i++)
            Assert.Equal(one.Next(), other.Next());
    }

    [Fact]
    public void More_memory_than_allowed_is_a_finding()
    {
        Assert.Equal(5, MemoryBudget.Check(100, 16, 5, static state => state));
        Assert.Throws<InvariantException>(() => MemoryBudget.Check(100, 16, 67_200, static state => new byte[state].Length));
    }

    private static FuzzTarget Target(string name) => FuzzTarget.All.Single(target => target.Name == name);

    private static void Run(FuzzTarget target, byte[] input, string which)
    {
        try
        {
            target.Run(input);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(
                $"{target.Name} failed at {which}: {e.Message}\ndotnet run --project fuzz/PacketMQ.Fuzz -- run {target.Name} {Convert.ToHexStringLower(input)}", e);
        }
    }
}
